"""Check that everything that a plan names exists, and that its schedules can be carried out.

Done once, when a plan is loaded: whoever reads or runs it afterwards need not check again.
"""

from collections.abc import Collection, Iterable, Iterator

from stagecut.compiler.formats.archive import Archive
from stagecut.compiler.ir.errors import PlanError
from stagecut.compiler.ir.machine import HOST, Machine
from stagecut.compiler.ir.plan import MAIN, PlanDocument, PlannedRun, PlannedVariant, Port
from stagecut.compiler.ir.schedule import Run


def check_plan(document: PlanDocument, archive: Archive) -> None:
    """Raises PlanError, with the place in plan.json, for the first thing that does not fit."""
    problem = next(_problems(document, archive.names()), None)
    if problem is not None:
        raise PlanError(
            problem,
            where=f"{archive.path}: plan.json",
            fix="compile the model again with this version of stagecut",
        )


def _problems(document: PlanDocument, members: Collection[str]) -> Iterator[str]:
    entry = document.entries.get(MAIN)
    if entry is None or not entry.variants:
        yield f"entries.{MAIN} has no variant"
        return
    ports = _names_and_types(entry.variants[0])
    for index, variant in enumerate(entry.variants):
        where = f"entries.{MAIN}.variants[{index}]"
        if _names_and_types(variant) != ports:
            yield f"{where} has other inputs or outputs than the first variant"
        yield from (f"{where}: {problem}" for problem in _in_variant(variant, members))


def _names_and_types(variant: PlannedVariant) -> object:
    return [
        [(port.name, port.dtype) for port in ports] for ports in (variant.inputs, variant.outputs)
    ]


def _in_variant(variant: PlannedVariant, members: Collection[str]) -> Iterator[str]:
    if sum(contender.chosen for contender in variant.contenders) != 1:
        yield "contenders: there is not one that is chosen"
    if any(port.dims for port in (*variant.inputs, *variant.outputs)):
        yield from _missing(["model.onnx"], members)
    for node in variant.nodes:
        for device in node.run_s:
            if device not in variant.machine.device_named:
                yield f"node {node.name}: there is no device {device!r}"
    yield from (f"run: {problem}" for problem in _in_run(variant.run, variant, members))
    if variant.fallback is not None:
        problems = _in_run(variant.fallback, variant, members)
        yield from (f"fallback: {problem}" for problem in problems)


def _in_run(run: PlannedRun, variant: PlannedVariant, members: Collection[str]) -> Iterator[str]:
    schedule = run.schedule
    if len(run.stages) != len(schedule.stages):
        yield f"{len(run.stages)} programs for {len(schedule.stages)} stages"
        return
    if len(run.account.steps) != len(schedule.steps):
        yield f"{len(run.account.steps)} accounts for {len(schedule.steps)} steps"
    yield from _missing((stage.file for stage in run.stages), members)
    if sorted(schedule.order) != sorted(node.name for node in variant.nodes):
        yield "the stages do not run every node once"
    for device in dict.fromkeys(stage.device for stage in schedule.stages):
        if device not in variant.machine.device_named or device not in variant.provenance.devices:
            yield f"there is no device {device!r}"
            return
    yield from _in_steps(run, variant)


def _missing(files: Iterable[str], members: Collection[str]) -> Iterator[str]:
    return (f"there is no member {file!r}" for file in files if file not in members)


def _in_steps(run: PlannedRun, variant: PlannedVariant) -> Iterator[str]:
    """Follows the values from memory to memory, as a run does."""
    machine = variant.machine
    present = {(port.inside, HOST) for port in variant.inputs}
    for step in run.schedule.steps:
        if isinstance(step, Run):
            stage, memory = run.stages[step.stage], _memory(run, step, machine)
            reads = [(port.name, memory) for port in stage.inputs]
            writes = _all_in(memory, stage.outputs)
        else:
            reads = [(step.value, step.route.source)]
            writes = {(step.value, step.route.target)}
            if not {*step.route} <= machine.memory_named.keys():
                yield f"there is no route {step.route}"
        for value, memory in reads:
            if (value, memory) not in present:
                yield f"{value} is not in {memory} when it is read there"
        present |= writes
    for value, memory in _all_in(HOST, variant.outputs) - present:
        yield f"{value} never gets to {memory}"


def _memory(run: PlannedRun, step: Run, machine: Machine) -> str:
    return machine.memory_of(run.schedule.stages[step.stage].device)


def _all_in(memory: str, ports: Iterable[Port]) -> set[tuple[str, str]]:
    return {(port.name, memory) for port in ports}
