"""PlannedVariant + CostTable + Trace -> Report: everything that is said, before it is rendered."""

import math
from collections.abc import Sequence

from stagecut.compiler.ir.contender import Contender, ContenderKind
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import PlanError, TraceError
from stagecut.compiler.ir.machine import Basis, Machine
from stagecut.compiler.ir.objective import parse_objective
from stagecut.compiler.ir.plan import MAIN, PlannedNode, PlannedVariant, WeightSizes
from stagecut.compiler.ir.port import Port
from stagecut.compiler.ir.recorded import Recorded
from stagecut.compiler.ir.schedule import Run
from stagecut.compiler.ir.stream_trace import StreamObserved
from stagecut.compiler.ir.trace import Trace
from stagecut.compiler.report.model.content import Report
from stagecut.compiler.report.model.devices import device_rows, energy_shares, shares
from stagecut.compiler.report.model.nodes import close_calls, node_rows, operator_rows
from stagecut.compiler.report.model.rows import ContenderRow, EntryRow, OutputRow
from stagecut.compiler.report.model.stages import stage_rows, transfer_rows
from stagecut.compiler.report.model.summary import summarize
from stagecut.compiler.report.model.timeline import observed_spans, predicted_spans

#: So many close decisions are shown; further ones are hardly close.
_CLOSE_CALLS = 8

#: So many operators that run elsewhere are named.
_NAMED = 3


def build_report(
    planned: PlannedVariant,
    table: CostTable,
    trace: Trace | None = None,
    variants: Sequence[PlannedVariant] = (),
    weights: WeightSizes | None = None,
    entry: str = MAIN,
    entries: tuple[EntryRow, ...] = (),
    stream: StreamObserved | None = None,
) -> Report:
    """All that is to be said about a plan, with what a run of it took: of `trace`, or of the gate;
    or with what a `stream` of its inputs came to.

    A trace is compared with what the gate measured for each stage as built, where it did: that
    predicts a run better than the times of single nodes. The gate's own runs are compared with
    these. `variants` are all of the plan: those that the report is not on are named. `weights` are
    those of the plan's file, `entry` is the one of the variant, `entries` are all of a decoder's
    (`entry_rows`). Raises PlanError or TraceError when `table`, `trace` or `stream` belong to
    another plan, and CostTableError when the plan's objective needs an energy that `table` lacks.
    """
    _check_table(planned, table)
    _check_gate(planned)
    if stream is not None:
        _check_stream(planned, stream)
    if trace is not None:
        _check_trace(planned, trace)
    nodes = node_rows(planned, table)
    stages = stage_rows(planned, trace)
    run = trace or planned.shipped.trace
    return Report(
        summary=summarize(planned, stages, Recorded(trace, stream)),
        shares=shares(planned),
        energy=energy_shares(planned),
        devices=device_rows(planned, table),
        stages=stages,
        predicted_spans=predicted_spans(planned),
        observed_spans=observed_spans(run) if run else (),
        close_calls=close_calls(nodes, _CLOSE_CALLS),
        operators=operator_rows(nodes, planned.machine.devices),
        nodes=nodes,
        inputs=tuple(
            Port(port.inside, port.dtype, port.shape, dims=port.dims) for port in planned.inputs
        ),
        other_variants=tuple(
            other.profiled for other in variants if other.profiled != planned.profiled
        ),
        outputs=planned.outputs,
        ends=table.outputs,
        transfers=transfer_rows(planned, run),
        contenders=_contenders(planned),
        profile_paths=planned.profile_paths,
        accuracy=_accuracy(planned),
        checks=planned.checks,
        circumstances=planned.circumstances,
        workarounds=planned.workarounds,
        fallback_stages=len(planned.fallback.stages) if planned.fallback else 0,
        provenance=planned.provenance,
        precision=planned.precision,
        over_links=planned.over_links,
        rewrites=planned.rewrites,
        weights=weights,
        entry=entry,
        entries=entries,
    )


def _accuracy(planned: PlannedVariant) -> tuple[OutputRow, ...]:
    """The output that is furthest off first."""
    ranked = sorted(planned.accuracy, key=lambda difference: -difference.relative)
    return tuple(
        OutputRow(each.name, each.max_abs, each.relative, each.cosine)
        if math.isfinite(each.relative)
        else OutputRow(each.name, None, None, each.cosine)
        for each in ranked
    )


def _contenders(planned: PlannedVariant) -> tuple[ContenderRow, ...]:
    """The fastest first."""
    ranked = sorted(planned.contenders, key=lambda each: each.median_s)
    return tuple(_contender(each, _elsewhere(each, planned.nodes)) for each in ranked)


def _elsewhere(contender: Contender, nodes: Sequence[PlannedNode]) -> str:
    """`4 of 99 nodes are elsewhere: IsNaN, Where`, of a plan in which one device comes first."""
    first = next((each.device for each in contender.ids if each.kind is ContenderKind.FIRST), None)
    if first is None:
        return ""
    refused = [node for node in nodes if first not in node.run_s]
    operators = [*dict.fromkeys(node.op for node in refused)]
    more = ", ..." if len(operators) > _NAMED else ""
    named = f"{', '.join(operators[:_NAMED])}{more}"
    return f"{len(refused)} of {len(nodes)} nodes are elsewhere: {named}"


def _contender(contender: Contender, elsewhere: str) -> ContenderRow:
    return ContenderRow(
        kind=contender.id.kind,
        device=contender.id.device,
        name=contender.name,
        also=tuple(str(each) for each in contender.ids if str(each) != contender.name),
        chosen=contender.chosen,
        is_optimum=contender.is_optimum,
        stages=contender.stages,
        basis=contender.basis,
        accounting=contender.accounting,
        median_s=contender.median_s,
        low_s=contender.low_s,
        high_s=contender.high_s,
        min_s=contender.min_s,
        max_s=contender.max_s,
        runs=contender.runs,
        predicted_s=contender.predicted_s,
        energy_j=contender.energy_j,
        cpu_s=contender.cpu_s,
        why=contender.why,
        noise=contender.noise,
        elsewhere=elsewhere,
    )


def _check_table(planned: PlannedVariant, table: CostTable) -> None:
    for what, same in (
        ("nodes", [node.name for node in planned.nodes] == [node.name for node in table.nodes]),
        ("devices", _devices(planned.machine) == _devices(table.machine)),
        ("costs", [node.run_s for node in planned.nodes] == [node.run_s for node in table.nodes]),
    ):
        if not same:
            raise PlanError(
                f"the cost table has other {what} than the plan",
                where=f"report of {planned.name}",
                fix="use the cost table that is stored in the plan file",
            )
    if parse_objective(planned.objective).per_j:
        table.require_energy()


def _devices(machine: Machine) -> list[tuple[str, str, Basis]]:
    return [(device.name, device.memory, device.basis) for device in machine.devices]


def _check_gate(planned: PlannedVariant) -> None:
    trace = planned.shipped.trace
    if trace is not None and _steps_of(trace) != _steps(planned):
        raise PlanError(
            "the gate's run that it keeps has other steps than its schedule",
            where=f"report of {planned.name}",
            fix="compile the model again with this version of stagecut",
        )


def _check_stream(planned: PlannedVariant, observed: StreamObserved) -> None:
    devices = tuple(stage.device for stage in planned.schedule.stages)
    if planned.stream is None or (observed.devices, observed.shapes) != (devices, planned.profiled):
        raise TraceError(
            "it is of a stream through another plan"
            if planned.stream
            else "it is of a stream, and the plan is for single runs",
            where=f"report of {planned.name}",
            fix="trace a run of this very plan" + ("" if planned.stream else ", without --stream"),
        )


def _check_trace(planned: PlannedVariant, trace: Trace) -> None:
    where = f"report of {planned.name}"
    if trace.shapes not in {"", planned.profiled}:
        raise TraceError(
            f"it ran with {trace.shapes}, and these figures are for {planned.profiled}",
            where=where,
            fix="trace a run with these shapes, or report on the variant for those (--shape)",
        )
    if _steps_of(trace) != _steps(planned):
        stages = len(trace.stage_s())
        raise TraceError(
            f"its {stages} stages and {len(trace.events) - stages} transfers are not the "
            f"{len(planned.stages)} and {sum(1 for _ in planned.schedule.transfers)} of the plan",
            where=where,
            fix="trace a run of this very plan",
        )


def _steps(planned: PlannedVariant) -> list[tuple[object, str]]:
    """Each stage with its device, each value with its route, in the schedule's order."""
    stages = planned.schedule.stages
    return [
        (step.stage, stages[step.stage].device)
        if isinstance(step, Run)
        else (step.value, str(step.route))
        for step in planned.schedule.steps
    ]


def _steps_of(trace: Trace) -> list[tuple[object, str]]:
    return [
        (event.stage if event.kind == "stage" else event.name, event.track)
        for event in trace.events
    ]
