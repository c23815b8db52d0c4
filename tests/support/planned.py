"""Rows of a small table -> the plan that runs them as they say, and one run of it.

Stages, copies and totals follow from the rows by the definition of the objective, so that every
sample adds up.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from stagecut.compiler.ir.account import evaluate
from stagecut.compiler.ir.assignment import Assignment, Certificate
from stagecut.compiler.ir.costs import CostTable, Endpoint, NodeCosts, Spread, ValueCosts
from stagecut.compiler.ir.machine import HOST, Basis, Machine
from stagecut.compiler.ir.plan import (
    Contender,
    InputPort,
    Manifest,
    PlannedCopy,
    PlannedNode,
    PlannedStage,
    Port,
    ProfilePath,
    Provenance,
)
from stagecut.compiler.ir.trace import Event, Trace

US = 1e-6


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

    manifest: Manifest
    table: CostTable
    trace: Trace


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
    stages = tuple(_stages(table, rows))
    costs = evaluate(table, Assignment({row.name: row.device for row in rows}))
    sizes = {value.name: value.size_bytes for value in table.values}
    basis: Basis = "modelled" if any(s.basis == "modelled" for s in stages) else "measured"
    manifest = Manifest(
        name=name,
        objective="latency",
        predicted_s=costs.total_s,
        basis=basis,
        machine=machine,
        inputs=tuple(InputPort(value, "float32", (1, 64)) for value in inputs),
        outputs=(Port(output, "float32", (1, 512)),),
        stages=stages,
        nodes=tuple(_nodes(table, rows, stages)),
        copies=tuple(
            PlannedCopy(c.value, c.source, c.target, sizes[c.value], c.move_s, "modelled")
            for c in costs.copies
        ),
        contenders=tuple(_contenders(table, costs.total_s, basis, stages)) if rows else (),
        profile_paths=tuple(_paths(table)) if rows else (),
        certificate=Certificate("elimination", costs.total_s, costs.total_s, exact=True, width=3),
        method="optimum",
        provenance=provenance,
    )
    return Sample(manifest, table, run_of(manifest))


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


def _stages(table: CostTable, rows: Sequence[Row]) -> Iterator[PlannedStage]:
    costs = {node.name: node for node in table.nodes}
    groups = groupby(rows, key=lambda row: row.device)
    for index, (name, members) in enumerate(groups):
        inside = list(members)
        device = table.machine.device(name)
        written = {row.name for row in inside}
        read = dict.fromkeys(v for row in inside for v in row.inputs if v not in written)
        yield PlannedStage(
            index=index,
            device=name,
            file=f"stage-{index:03}.onnx",
            nodes=tuple(row.name for row in inside),
            inputs=tuple(Port(value, "float32", (1, 64)) for value in read),
            outputs=(Port(inside[-1].name, "float32", (1, 64)),),
            predicted_s=sum(costs[row.name].run_s[name] for row in inside),
            basis=device.basis,
        )


def _nodes(
    table: CostTable, rows: Sequence[Row], stages: Sequence[PlannedStage]
) -> Iterator[PlannedNode]:
    stage_of = {name: stage.index for stage in stages for name in stage.nodes}
    devices = [device.name for device in table.machine.devices]
    for row, costs in zip(rows, table.nodes, strict=True):
        refused = [device for device in devices if device not in costs.run_s]
        yield PlannedNode(
            name=row.name,
            op=row.op,
            device=row.device,
            stage=stage_of[row.name],
            operators=(f"{row.op} {row.name}",),
            flops=16 * row.weight_bytes,
            weight_bytes=row.weight_bytes,
            run_s=costs.run_s,
            refusals=dict.fromkeys(refused, row.refusal),
        )


def _contenders(
    table: CostTable, total_s: float, basis: Basis, stages: Sequence[PlannedStage]
) -> Iterator[Contender]:
    stage_s = tuple(1.01 * stage.predicted_s for stage in stages)
    yield _contender("optimum", stage_s, 1.01 * total_s, basis, chosen=True)
    for device in table.machine.devices:
        if all(device.name in node.run_s for node in table.nodes):
            alone = Assignment({node.name: device.name for node in table.nodes})
            alone_s = 1.02 * evaluate(table, alone).total_s
            yield _contender(device.name, (alone_s,), alone_s, device.basis, chosen=False)


def _contender(
    name: str, stage_s: tuple[float, ...], median_s: float, basis: Basis, *, chosen: bool
) -> Contender:
    return Contender(
        name=name,
        stages=len(stage_s),
        median_s=median_s,
        min_s=0.98 * median_s,
        max_s=1.09 * median_s,
        runs=20,
        basis=basis,
        accounting="measured",
        chosen=chosen,
        stage_s=stage_s,
        low_s=0.99 * median_s,
        high_s=1.02 * median_s,
        why="the best" if chosen else "slower",
    )


def _paths(table: CostTable) -> Iterator[ProfilePath]:
    for device in table.machine.devices:
        if device.basis == "measured":
            devices = {device.name: len(table.nodes)}
            yield ProfilePath(device.name, f"every node on {device.name}", 20, devices)


def run_of(manifest: Manifest) -> Trace:
    """A run that follows the plan, measured stages now 3 % above and now 3 % below it."""
    machine = manifest.machine
    waiting = list(manifest.copies)
    events: list[Event] = []
    for stage in manifest.stages:
        device = machine.device(stage.device)
        read = {(port.name, device.memory) for port in stage.inputs}
        for copy in [copy for copy in waiting if (copy.value, copy.target) in read]:
            waiting.remove(copy)
            events.append(_copy_event(copy, stage.index, _end_s(events)))
        off = (1.03 if stage.index % 2 else 0.97) if stage.basis == "measured" else 1
        took_s = off * (device.stage_s + stage.predicted_s)
        events.append(_stage_event(stage, took_s, _end_s(events)))
    last = len(manifest.stages) - 1
    for copy in waiting:
        events.append(_copy_event(copy, last, _end_s(events)))
    return Trace(tuple(events), _end_s(events))


def _stage_event(stage: PlannedStage, took_s: float, start_s: float) -> Event:
    name = f"stage-{stage.index:03}"
    return Event(name, "stage", stage.device, stage.basis, start_s, took_s, took_s, stage.index)


def _copy_event(copy: PlannedCopy, stage: int, start_s: float) -> Event:
    track = f"{copy.source}>{copy.target}"
    return Event(copy.value, "copy", track, copy.basis, start_s, copy.move_s, copy.move_s, stage)


def _end_s(events: Sequence[Event]) -> float:
    return events[-1].start_s + events[-1].wall_s if events else 0.0
