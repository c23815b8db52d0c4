"""The steps of a run laid out in time, as predicted and as observed.

A run does one thing after the other, in the schedule's order:

    host      |== stage 0 ==|                  |== stage 2 ==|
    host>pim                |a|
    pim                       |= stage 1 =|
    pim>host                              |=b=|
"""

from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.ir.schedule import Run
from stagecut.compiler.ir.trace import Trace
from stagecut.compiler.report.model.figures import Figure
from stagecut.compiler.report.model.rows import Span
from stagecut.compiler.report.model.stages import figure, observed


def predicted_spans(planned: PlannedVariant) -> tuple[Span, ...]:
    """The run as its account has it."""
    spans: list[Span] = []
    start_s = 0.0
    for step, cost in zip(planned.schedule.steps, planned.account.steps, strict=True):
        if isinstance(step, Run):
            device = planned.schedule.stages[step.stage].device
            spans.append(_stage(step.stage, device, start_s, figure(cost)))
        else:
            spans.append(_transfer(step.value, str(step.route), start_s, figure(cost)))
        start_s += cost.time_s
    return tuple(spans)


def observed_spans(trace: Trace) -> tuple[Span, ...]:
    """The run as it happened, each modelled part drawn out to its modelled time."""
    spans: list[Span] = []
    shift_s = 0.0
    for event in trace.events:
        start_s, time = event.start_s + shift_s, observed(event)
        if event.kind == "stage":
            spans.append(_stage(event.stage, event.track, start_s, time))
        else:
            spans.append(_transfer(event.name, event.track, start_s, time))
        shift_s += event.duration_s - event.wall_s
    return tuple(spans)


def _stage(index: int, device: str, start_s: float, time: Figure) -> Span:
    return Span(f"stage {index}", "stage", device, index, start_s, time)


def _transfer(value: str, lane: str, start_s: float, time: Figure) -> Span:
    return Span(value, "transfer", lane, None, start_s, time)
