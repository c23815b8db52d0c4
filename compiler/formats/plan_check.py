"""Check that everything that a plan names exists, and that its schedules can be carried out.

Done once, when a plan is loaded: whoever reads or runs it afterwards need not check again. What is
said of one thing alone (types, signs, finite numbers) is checked by the types themselves.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Sequence

from stagecut.compiler.formats import weights
from stagecut.compiler.formats.archive import Archive
from stagecut.compiler.formats.decoding_check import decoding_problems
from stagecut.compiler.formats.plan_members import model_file
from stagecut.compiler.formats.port_check import port_problems
from stagecut.compiler.ir.batching import batching_problem, mixing_problem, stacked
from stagecut.compiler.ir.contender import Contender
from stagecut.compiler.ir.errors import PlanError, UsageError
from stagecut.compiler.ir.machine import HOST, Machine, combined
from stagecut.compiler.ir.objective import parse_objective
from stagecut.compiler.ir.plan import MAIN, PlanDocument, PlannedNode, PlannedRun, PlannedVariant
from stagecut.compiler.ir.planned_stream import PlannedStream
from stagecut.compiler.ir.port import Port
from stagecut.compiler.ir.schedule import Run
from stagecut.compiler.ir.solution import ROUNDING, Certificate, meets
from stagecut.compiler.ir.state import DECODE


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
    named = (MAIN,) if document.decoding is None else document.decoding.entries
    for name in named:
        if name not in document.entries or not document.entries[name].variants:
            yield f"entries.{name} has no variant"
            return
    for name in document.entries:
        if name not in named:
            yield f"entries has {name!r}, and the entries of such a plan are {', '.join(named)}"
    yield from _missing([weights.FILE_NAME], members)
    if document.full_weight_bytes == 0:
        yield "full_weight_bytes is 0, and some weights are in few bits"
    shares = () if document.budget is None else document.budget.shares
    for name in shares:
        if name not in document.entries:
            yield f"budget has a share for {name!r}, which is no entry"
    yield from _homeless(document)
    for name, entry in document.entries.items():
        yield from _in_entry(name, entry.variants, members)
        if entry.switches and (document.decoding is None or name != DECODE):
            yield f"entries.{name} has switches, and no length to switch at"
    if document.decoding is not None:
        yield from (f"decoding: {problem}" for problem in decoding_problems(document))


def _homeless(document: PlanDocument) -> Iterator[str]:
    """Only states lie elsewhere than other inputs and outputs do."""
    states = () if document.decoding is None else document.decoding.states
    known = {name for state in states for name in (state.past, state.present)}
    for entry, planned in document.entries.items():
        for run in (run for each in planned.variants for run in each.runs):
            for name in run.homes:
                if name not in known:
                    yield f"entries.{entry}: {name!r} has a home, and is no state"


def _in_entry(
    name: str, variants: Sequence[PlannedVariant], members: Collection[str]
) -> Iterator[str]:
    ports = _names_and_types(variants[0])
    for index, variant in enumerate(variants):
        where = f"entries.{name}.variants[{index}]"
        if _names_and_types(variant) != ports:
            yield f"{where} has other inputs or outputs than the first variant"
        problems = _in_variant(variant, model_file(name), members)
        yield from (f"{where}: {problem}" for problem in problems)
    shapes = [tuple(port.shape for port in variant.inputs) for variant in variants]
    if len(set(shapes)) < len(shapes):
        yield f"entries.{name} has two variants for the same shapes"
    for index, variant in enumerate(variants):
        if variant.stream is not None and variant.stream.mixes:
            where = f"entries.{name}.variants[{index}].stream"
            yield from (f"{where}: {problem}" for problem in _in_mixed(variant, variants))


def _in_mixed(variant: PlannedVariant, variants: Sequence[PlannedVariant]) -> Iterator[str]:
    """Of a stream in which some stages take several inputs, and others one."""
    size = 1 if variant.stream is None else variant.stream.batch
    shapes = stacked([port.shape for port in variant.inputs], size)
    full = [each for each in variants if tuple(port.shape for port in each.inputs) == shapes]
    if not full:
        yield f"there is no variant for {size} inputs"
        return
    run, other = variant.run, full[0].run
    cuts = (run.schedule, run.stages), (other.schedule, other.stages)
    if problem := mixing_problem(*cuts, variant.machine, size):
        yield problem


def _names_and_types(variant: PlannedVariant) -> object:
    return [
        [(port.name, port.dtype, port.dims) for port in ports]
        for ports in (variant.inputs, variant.outputs)
    ]


def _in_variant(variant: PlannedVariant, model: str, members: Collection[str]) -> Iterator[str]:
    """`model` is the member that its model with open dimensions is, where it has any."""
    try:
        parse_objective(variant.objective)
    except UsageError as error:
        yield f"objective: {error.problem}"
    yield from port_problems(variant.inputs, variant.outputs)
    if any(port.dims for port in (*variant.inputs, *variant.outputs)):
        yield from _missing([model], members)
    yield from _in_contenders(variant.contenders)
    yield from _in_certificate(variant.certificate)
    yield from _in_nodes(variant.nodes, variant.machine)
    if not {each.name for each in variant.accuracy} <= {port.name for port in variant.outputs}:
        yield "accuracy: it is of something that is no output"
    yield from (f"stream: {problem}" for problem in _in_stream(variant))
    yield from (f"run: {problem}" for problem in _in_run(variant.run, variant, members))
    if variant.fallback is not None:
        problems = _in_run(variant.fallback, variant, members)
        yield from (f"fallback: {problem}" for problem in problems)


def _in_stream(variant: PlannedVariant) -> Iterator[str]:
    stream = variant.stream
    if stream is None:
        return
    if len(stream.replicas) != len(variant.stages):
        yield f"{len(stream.replicas)} numbers of replicas for {len(variant.stages)} stages"
    yield from _in_places(variant, stream)
    if stream.batch > 1 and (problem := batching_problem(variant.inputs, variant.outputs)):
        yield f"there are no batches of {stream.batch}: {problem}"


def _in_places(variant: PlannedVariant, stream: PlannedStream) -> Iterator[str]:
    """Of a stream over hosts, whose stages are those of its schedule on their first places."""
    if not stream.places:
        return
    if len(stream.places) != len(variant.stages):
        yield f"{len(stream.places)} lists of places for {len(variant.stages)} stages"
        return
    for index, (places, stage) in enumerate(
        zip(stream.places, variant.schedule.stages, strict=True)
    ):
        unknown = [each.device for each in places if each.device not in variant.provenance.devices]
        if unknown or not places or places[0].device != stage.device:
            yield f"places[{index}] does not begin with {stage.device}, or is of unknown devices"
        elif sum(each.replicas for each in places) != stream.replicas[index]:
            yield f"places[{index}] has other replicas than the stage"


def _in_contenders(contenders: Sequence[Contender]) -> Iterator[str]:
    if sum(contender.chosen for contender in contenders) != 1:
        yield "contenders: there is not one that is chosen"
    for contender in contenders:
        if not contender.min_s <= contender.median_s <= contender.max_s:
            yield f"contender {contender.id}: its median is not among its runs"


def _in_certificate(certificate: Certificate) -> Iterator[str]:
    total, bound = certificate.total, certificate.lower_bound
    if not meets(bound, total) or (certificate.exact and not meets(total, bound)):
        yield f"certificate: a total of {total:g} does not go with a bound of {bound:g}"


def _in_nodes(nodes: Sequence[PlannedNode], machine: Machine) -> Iterator[str]:
    if repeated := _repeated(node.name for node in nodes):
        yield f"two nodes are called {repeated!r}"
    for node in nodes:
        for device in (*node.run_s, *node.refusals, *node.totals):
            if device not in machine.device_named:
                yield f"node {node.name}: there is no device {device!r}"


def _in_run(run: PlannedRun, variant: PlannedVariant, members: Collection[str]) -> Iterator[str]:
    schedule = run.schedule
    if len(run.stages) != len(schedule.stages):
        yield f"{len(run.stages)} programs for {len(schedule.stages)} stages"
        return
    if len(run.account.steps) != len(schedule.steps):
        yield f"{len(run.account.steps)} accounts for {len(schedule.steps)} steps"
        return
    yield from _missing((stage.file for stage in run.stages), members)
    if repeated := _repeated(stage.file for stage in run.stages):
        yield f"two stages have the program {repeated!r}"
    if sorted(schedule.order) != sorted(node.name for node in variant.nodes):
        yield "the stages do not run every node once"
        return
    for device in dict.fromkeys(stage.device for stage in schedule.stages):
        if device not in variant.machine.device_named or device not in variant.provenance.devices:
            yield f"there is no device {device!r}"
            return
    able = {node.name: node.run_s for node in variant.nodes}
    for name, device in schedule.device_of.items():
        if device not in able[name]:
            yield f"node {name} runs on {device}, which cannot run it"
    yield from _in_homes(run, variant)
    yield from _in_steps(run, variant)
    yield from _in_account(run, variant.machine)


def _in_account(run: PlannedRun, machine: Machine) -> Iterator[str]:
    """The parts come to the sums, and are measured where the device is."""
    account, stages = run.account, run.schedule.stages
    for step, cost in zip(run.schedule.steps, account.steps, strict=True):
        if isinstance(step, Run) and machine.device(stages[step.stage].device).basis != cost.basis:
            yield f"the account has stage {step.stage} as {cost.basis}, its device is otherwise"
    if account.basis != combined(step.basis for step in account.steps):
        yield f"the account is {account.basis}, and its steps are otherwise"
    latency_s = math.fsum(step.time_s for step in account.steps)
    if not math.isclose(latency_s, account.latency_s, rel_tol=ROUNDING):
        yield f"the account has {account.latency_s:g} s, and its steps take {latency_s:g} s"


def _missing(files: Iterable[str], members: Collection[str]) -> Iterator[str]:
    return (f"there is no member {file!r}" for file in files if file not in members)


def _in_steps(run: PlannedRun, variant: PlannedVariant) -> Iterator[str]:
    """Follows the values from memory to memory, as a run does."""
    machine = variant.machine
    present = {(port.inside, HOST) for port in variant.inputs}
    present |= {
        (port.inside, run.homes[port.inside]) for port in variant.inputs if port.inside in run.homes
    }
    for step in run.schedule.steps:
        if isinstance(step, Run):
            stage, memory = run.stages[step.stage], _memory(run, step, machine)
            reads = [(port.name, memory) for port in stage.inputs]
            writes = _all_in(memory, stage.outputs)
            if repeated := _repeated(port.name for port in (*stage.inputs, *stage.outputs)):
                yield f"stage {step.stage} has {repeated!r} twice"
        else:
            reads = [(step.value, step.route.source)]
            writes = {(step.value, step.route.target)}
            if not {*step.route} <= machine.memory_named.keys():
                yield f"there is no route {step.route}"
        for value, memory in reads:
            if (value, memory) not in present:
                yield f"{value} is not in {memory} when it is read there"
        present |= writes
    for value, memory in _ends(run, variant) - present:
        yield f"{value} never gets to {memory}"


def _ends(run: PlannedRun, variant: PlannedVariant) -> set[tuple[str, str]]:
    return {(port.name, run.homes.get(port.name, HOST)) for port in variant.outputs}


def _in_homes(run: PlannedRun, variant: PlannedVariant) -> Iterator[str]:
    for name, memory in run.homes.items():
        if memory == HOST or memory not in variant.machine.memory_named:
            yield f"{name!r} has its home in {memory!r}, which is no device's own memory"


def _memory(run: PlannedRun, step: Run, machine: Machine) -> str:
    return machine.memory_of(run.schedule.stages[step.stage].device)


def _all_in(memory: str, ports: Iterable[Port]) -> set[tuple[str, str]]:
    return {(port.name, memory) for port in ports}


def _repeated(names: Iterable[str]) -> str:
    """The first name that stands there twice; empty where none does."""
    known: set[str] = set()
    for name in names:
        if name in known:
            return name
        known.add(name)
    return ""
