"""Rows of a small table -> the plan that runs them as they say, and one run of it.

Schedule and account follow from the rows by their definitions, so that every sample adds up.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from stagecut.compiler.ir.account import Account, account
from stagecut.compiler.ir.contender import Contender, ContenderId, ContenderKind
from stagecut.compiler.ir.costs import CostTable, Endpoint, NodeCosts, Spread, ValueCosts
from stagecut.compiler.ir.errors import StagecutError
from stagecut.compiler.ir.machine import HOST, Machine
from stagecut.compiler.ir.plan import PlannedNode, PlannedRun, PlannedStage, PlannedVariant
from stagecut.compiler.ir.port import InputPort, Port
from stagecut.compiler.ir.provenance import ProfilePath, Provenance
from stagecut.compiler.ir.schedule import Run, Schedule, Stage
from stagecut.compiler.ir.solution import Certificate
from stagecut.compiler.ir.trace import Event, Trace
from stagecut.compiler.ir.transfers import scheduled, stages_in
from stagecut.compiler.report.model.build import build_report
from stagecut.compiler.report.model.content import Report

US = 1e-6

OPTIMUM = ContenderId(ContenderKind.OPTIMUM)


@dataclass(frozen=True, slots=True)
class Row:
    """A node that writes one value of its own name; `run_us` in the machine's order of devices."""

    name: str
    op: str
    inputs: tuple[str, ...]
    run_us: tuple[float | None, ...]
    device: str
    weight_bytes: int = 0
    out_bytes: int = 65536
    refusal: str = "not among MatMul, Gemm, Add, Mul and Relu"


@dataclass(frozen=True, slots=True)
class Sample:
    """A plan with the cost table it was made from and one run of it."""

    planned: PlannedVariant
    table: CostTable
    trace: Trace


def with_known(sample: Sample, **changes: Any) -> Sample:
    """The sample with other facts known about its plan: fields of the plan, of its run, and of
    its account."""
    variant = sample.planned
    account_changes, run_changes = (
        {name: changes.pop(name) for name in [*changes] if hasattr(whole, name)}
        for whole in (variant.account, variant.run)
    )
    costs = replace(variant.account, **account_changes)
    run = replace(variant.run, account=costs, **run_changes)
    return replace(sample, planned=replace(variant, run=run, **changes))


def report_of(sample: Sample) -> Report:
    """What is said of its plan, with what its run took."""
    return build_report(sample.planned, sample.table, sample.trace)


def gate_report_of(sample: Sample) -> Report:
    """What is said of its plan, with what the gate observed."""
    return build_report(sample.planned, sample.table)


def planned(
    name: str,
    rows: Sequence[Row],
    machine: Machine,
    provenance: Provenance,
    *,
    inputs: Mapping[str, int],
    output: str,
) -> Sample:
    """The plan of `rows`; `inputs` are the model's inputs with their sizes in bytes."""
    table = cost_table(name, rows, machine, inputs=inputs, output=output)
    refusals = {row.name: row.refusal for row in rows}
    return sample_of(table, {row.name: row.device for row in rows}, provenance, refusals)


def sample_of(
    table: CostTable,
    device_of: Mapping[str, str],
    provenance: Provenance,
    refusals: Mapping[str, str] | None = None,
) -> Sample:
    """The plan that runs the nodes on `device_of`, in its order, at the costs of `table`.

    Raises AssignmentError or ScheduleError where that cannot be.
    """
    schedule = scheduled(table, stages_in([*device_of], device_of))
    costs = account(table, schedule)
    inputs = [value.name for value in table.values if value.name not in table.producer]
    outputs = dict.fromkeys(end.name for end in table.outputs)
    variant = PlannedVariant(
        name=table.name,
        objective="latency",
        machine=table.machine,
        inputs=tuple(InputPort(value, "float32", (1, 64)) for value in inputs),
        outputs=tuple(Port(value, "float32", (1, 512)) for value in outputs),
        run=PlannedRun(schedule, costs, tuple(_stages(table, schedule, costs))),
        certificate=Certificate.of("elimination", costs.latency_s, costs.latency_s, width=3),
        nodes=tuple(_node(table, node, refusals or {}) for node in table.nodes),
        contenders=tuple(_contenders(table, schedule, costs)),
        profile_paths=tuple(_paths(table)) if table.nodes else (),
        provenance=provenance,
    )
    return Sample(variant, table, run_of(variant))


def random_plan(table: CostTable, seed: int) -> Sample | None:
    """Any plan for `table`, in any order; None where what was drawn cannot be."""
    random = Random(seed)  # noqa: S311
    order: list[str] = []
    while left := [node for node in table.nodes if node.name not in order]:
        written = {value for node in left for value in node.outputs}
        ready = [node.name for node in left if written.isdisjoint(node.inputs)]
        order.append(random.choice(ready))
    device_of = {name: random.choice([*table.node_named[name].run_s]) for name in order}
    origin = Provenance("", "", "", "", 1, {}, {}, {})
    try:
        return sample_of(table, device_of, origin)
    except StagecutError:
        return None


def cost_table(
    name: str,
    rows: Sequence[Row],
    machine: Machine,
    *,
    inputs: Mapping[str, int],
    output: str,
) -> CostTable:
    """What the rows cost; every model input starts, and `output` ends, in the host's memory."""
    sizes = {**inputs, **{row.name: row.out_bytes for row in rows}}
    return CostTable(
        name=name,
        machine=machine,
        values=tuple(ValueCosts(value, size_bytes) for value, size_bytes in sizes.items()),
        nodes=tuple(_costs(row, machine) for row in rows),
        inputs=tuple(Endpoint(value, HOST) for value in inputs),
        outputs=(Endpoint(output, HOST),),
    )


def _costs(row: Row, machine: Machine) -> NodeCosts:
    pairs = zip(machine.devices, row.run_us, strict=True)
    run_s = {device.name: run_us * US for device, run_us in pairs if run_us is not None}
    timed = [d.name for d in machine.devices if d.basis == "measured" and d.name in run_s]
    return NodeCosts(
        name=row.name,
        op=row.op,
        run_s=run_s,
        inputs=row.inputs,
        outputs=(row.name,),
        weight_bytes=row.weight_bytes,
        run_spread={
            name: Spread(20, 0.97 * run_s[name], 0.99 * run_s[name], 1.02 * run_s[name])
            for name in timed
        },
    )


def _stages(table: CostTable, schedule: Schedule, costs: Account) -> Iterator[PlannedStage]:
    """As the gate has measured them, 1 % above what was predicted."""
    ends = {end.name for end in table.outputs}
    for step, cost in zip(schedule.steps, costs.steps, strict=True):
        if not isinstance(step, Run):
            continue
        stage = schedule.stages[step.stage]
        nodes = [table.node_named[name] for name in stage.nodes]
        written = dict.fromkeys(value for node in nodes for value in node.outputs)
        read = dict.fromkeys(value for node in nodes for value in node.inputs)
        wanted = [value for value in written if value in ends or _read_outside(table, value, stage)]
        yield PlannedStage(
            file=f"stage-{step.stage:03}.onnx",
            inputs=tuple(_port(value) for value in read if value not in written),
            outputs=tuple(map(_port, wanted)),
            observed_s=1.01 * cost.time_s,
        )


def _read_outside(table: CostTable, value: str, stage: Stage) -> bool:
    return not set(table.users.get(value, ())) <= set(stage.nodes)


def _port(value: str) -> Port:
    return Port(value, "float32", (1, 64))


def _node(table: CostTable, costs: NodeCosts, refusals: Mapping[str, str]) -> PlannedNode:
    devices = [device.name for device in table.machine.devices]
    refused = [device for device in devices if device not in costs.run_s]
    return PlannedNode(
        name=costs.name,
        op=costs.op,
        operators=(f"{costs.op} {costs.name}",),
        flops=16 * costs.weight_bytes,
        weight_bytes=costs.weight_bytes,
        run_s=costs.run_s,
        refusals=dict.fromkeys(refused, refusals.get(costs.name, "it cannot")),
    )


def _contenders(table: CostTable, schedule: Schedule, costs: Account) -> Iterator[Contender]:
    """The plan itself, which is the optimum, and every device that can run all of it alone."""
    single: list[Contender] = []
    also: list[ContenderId] = []
    for device in table.machine.devices if table.nodes else ():
        if any(device.name not in node.run_s for node in table.nodes):
            continue
        name = ContenderId(ContenderKind.SINGLE, device.name)
        try:
            alone = scheduled(table, (Stage(device.name, schedule.order),))
            alone_costs = account(table, alone)
        except StagecutError:  # no room, or no way for a value
            continue
        if alone == schedule:
            also.append(name)
        else:
            single.append(_contender(name, alone_costs, 1.02, chosen=False))
    yield _contender(
        OPTIMUM, costs, 1.01, stages=len(schedule.stages), chosen=True, also=tuple(also)
    )
    yield from single


def _contender(
    name: ContenderId,
    costs: Account,
    factor: float,
    *,
    stages: int = 1,
    chosen: bool,
    also: tuple[ContenderId, ...] = (),
) -> Contender:
    """As the gate has measured it, `factor` times as slow as predicted."""
    median_s = factor * costs.latency_s
    return Contender(
        id=name,
        also=also,
        stages=stages,
        median_s=median_s,
        min_s=0.98 * median_s,
        max_s=1.09 * median_s,
        runs=20,
        basis=costs.basis,
        accounting="measured",
        chosen=chosen,
        predicted_s=costs.latency_s,
        low_s=0.99 * median_s,
        high_s=1.02 * median_s,
        why="the best" if chosen else "slower",
    )


def _paths(table: CostTable) -> Iterator[ProfilePath]:
    for device in table.machine.devices:
        if device.basis == "measured":
            devices = {device.name: len(table.nodes)}
            yield ProfilePath(device.name, f"every node on {device.name}", 20, devices)


def run_of(variant: PlannedVariant) -> Trace:
    """A run that follows the plan, measured stages now 3 % above and now 3 % below it."""
    events: list[Event] = []
    schedule, end_s, stage = variant.schedule, 0.0, -1
    steps = zip(schedule.steps, variant.account.steps, schedule.waiting, strict=True)
    for step, cost, following in steps:
        if isinstance(step, Run):
            stage = step.stage
            off = (1.03 if stage % 2 else 0.97) if cost.basis == "measured" else 1
            took_s = off * cost.time_s
            name, device = variant.stages[stage].program, schedule.stages[stage].device
            event = Event(name, "stage", cost.basis, end_s, took_s, took_s, stage, device=device)
        else:
            took_s = cost.time_s
            before = stage if following is None else following
            event = Event(
                step.value,
                "transfer",
                cost.basis,
                end_s,
                took_s,
                took_s,
                before,
                route=step.route,
            )
        events.append(event)
        end_s += took_s
    return Trace(tuple(events), end_s)
