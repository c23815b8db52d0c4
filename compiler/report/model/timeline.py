"""Stages and copies laid out in time, as predicted and as observed.

A run does one thing after the other: the copies that a stage waits for, then the stage.

    host      |== stage 0 ==|                  |== stage 2 ==|
    host>pim                |a|
    pim                       |= stage 1 =|
    pim>host                              |=b=|
"""

from collections.abc import Iterable, Mapping, Sequence

from stagecut.compiler.ir.plan import Manifest, PlannedCopy
from stagecut.compiler.ir.trace import Event, Trace
from stagecut.compiler.report.model.account import arrivals, stage_times
from stagecut.compiler.report.model.content import Figure, Span


def predicted_spans(manifest: Manifest) -> tuple[Span, ...]:
    """The run as the cost table has it."""
    waiting = _by_stage(manifest.copies, arrivals(manifest))
    spans: list[Span] = []
    for stage, time in zip(manifest.stages, stage_times(manifest), strict=True):
        spans += _copy_spans(waiting.get(stage.index, ()), stage.index, _end_s(spans))
        name = f"stage {stage.index}"
        spans.append(Span(name, "stage", stage.device, stage.index, _end_s(spans), time))
    last = len(manifest.stages) - 1
    return (*spans, *_copy_spans(waiting.get(None, ()), last, _end_s(spans)))


def observed_spans(trace: Trace) -> tuple[Span, ...]:
    """The run as it happened, each modelled part drawn out to its modelled time."""
    spans = []
    shift_s = 0.0
    for event in trace.events:
        spans.append(_observed(event, shift_s))
        shift_s += event.duration_s - event.wall_s
    return tuple(spans)


def _observed(event: Event, shift_s: float) -> Span:
    name = f"stage {event.stage}" if event.kind == "stage" else event.name
    time = Figure(event.duration_s, event.basis)
    return Span(name, event.kind, event.track, event.stage, event.start_s + shift_s, time)


def _by_stage(
    copies: Iterable[PlannedCopy], stages: Iterable[int | None]
) -> Mapping[int | None, Sequence[PlannedCopy]]:
    waiting: dict[int | None, list[PlannedCopy]] = {}
    for copy, stage in zip(copies, stages, strict=True):
        waiting.setdefault(stage, []).append(copy)
    return waiting


def _copy_spans(copies: Iterable[PlannedCopy], stage: int, start_s: float) -> list[Span]:
    spans: list[Span] = []
    for copy in copies:
        time = Figure(copy.move_s, copy.basis)
        lane = f"{copy.source}>{copy.target}"
        spans.append(Span(copy.value, "copy", lane, stage, start_s, time))
        start_s += copy.move_s
    return spans


def _end_s(spans: Sequence[Span]) -> float:
    return spans[-1].start_s + spans[-1].time.time_s if spans else 0.0
