"""What each stage and each transfer takes, as predicted and as observed."""

from collections.abc import Iterator

from stagecut.compiler.ir.account import StepAccount
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.ir.schedule import Run, Transfer
from stagecut.compiler.ir.trace import Event, Trace
from stagecut.compiler.report.model.figures import Figure
from stagecut.compiler.report.model.rows import StageRow, TransferRow


def stage_rows(planned: PlannedVariant, trace: Trace | None) -> tuple[StageRow, ...]:
    """One row for each stage, in the order in which they run.

    What was observed is that of the handed-in `trace`, else what the gate measured for the stage.
    """
    latency_s = planned.account.latency_s
    events = (
        {event.stage: event for event in trace.events if event.kind == "stage"} if trace else {}
    )
    flops = {node.name: node.flops for node in planned.nodes}
    arriving: dict[int | None, list[StepAccount]] = {}
    for _, cost, before in _transfers(planned):
        arriving.setdefault(before, []).append(cost)
    rows: list[StageRow] = []
    for step, cost in zip(planned.schedule.steps, planned.account.steps, strict=True):
        if not isinstance(step, Run):
            continue
        stage, arrived = planned.schedule.stages[step.stage], arriving.get(step.stage, [])
        observed_s = planned.stages[step.stage].observed_s
        peak = planned.machine.device(stage.device).peak_flop_per_s
        gate = None if observed_s is None else Figure(observed_s, cost.basis)
        event = events.get(step.stage)
        rows.append(
            StageRow(
                index=step.stage,
                device=stage.device,
                nodes=stage.nodes,
                predicted=figure(cost),
                as_built=gate if event else None,
                observed=observed(event) if event else gate,
                share=cost.time_s / latency_s if latency_s else 0.0,
                transfers_in=len(arrived),
                transferred_in_bytes=sum(each.size_bytes for each in arrived),
                energy_j=cost.energy_j,
                utilisation=_utilisation(
                    sum(flops[name] for name in stage.nodes), cost.time_s, peak
                ),
            )
        )
    return tuple(rows)


def _utilisation(flops: int, time_s: float, peak: float | None) -> float | None:
    return None if peak is None or not time_s else flops / (time_s * peak)


def transfer_rows(planned: PlannedVariant, run: Trace | None) -> tuple[TransferRow, ...]:
    """One row for each transfer, in the schedule's order; `run` is the trace or the gate's."""
    events = {(event.name, event.route): observed(event) for event in run.events} if run else {}
    return tuple(
        TransferRow(
            value=step.value,
            source=step.route.source,
            target=step.route.target,
            size_bytes=cost.size_bytes,
            before=before,
            predicted=figure(cost),
            observed=events.get((step.value, step.route)),
        )
        for step, cost, before in _transfers(planned)
    )


def _transfers(planned: PlannedVariant) -> Iterator[tuple[Transfer, StepAccount, int | None]]:
    """Each transfer with its account and the stage that runs next."""
    schedule = planned.schedule
    for step, cost, before in zip(
        schedule.steps, planned.account.steps, schedule.waiting, strict=True
    ):
        if isinstance(step, Transfer):
            yield step, cost, before


def figure(cost: StepAccount) -> Figure:
    """What a step is predicted to take."""
    return Figure(cost.time_s, cost.basis)


def observed(event: Event) -> Figure:
    """What a step took."""
    return Figure(event.duration_s, event.basis)
