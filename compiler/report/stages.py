"""What each stage and each copy takes, as predicted and as observed."""

from stagecut.compiler.manifest import Manifest, PlannedCopy
from stagecut.compiler.report.account import arrivals, stage_times
from stagecut.compiler.report.content import Figure, StageRow, TransferRow
from stagecut.runtime.trace import Event, Trace


def stage_rows(manifest: Manifest, trace: Trace | None) -> tuple[StageRow, ...]:
    """One row for each stage, in the order in which they run."""
    events = {event.stage: event for event in _events(trace, "stage")}
    waiting: dict[int | None, list[PlannedCopy]] = {}
    for copy, stage in zip(manifest.copies, arrivals(manifest), strict=True):
        waiting.setdefault(stage, []).append(copy)
    return tuple(
        StageRow(
            index=stage.index,
            device=stage.device,
            nodes=stage.nodes,
            predicted=time,
            observed=_figure(events.get(stage.index)),
            share=time.time_s / manifest.predicted_s if manifest.predicted_s else 0.0,
            copies_in=len(waiting.get(stage.index, ())),
            copied_in_bytes=sum(copy.size_bytes for copy in waiting.get(stage.index, ())),
            energy_j=stage.energy_j,
        )
        for stage, time in zip(manifest.stages, stage_times(manifest), strict=True)
    )


def transfer_rows(manifest: Manifest, trace: Trace | None) -> tuple[TransferRow, ...]:
    """One row for each copy, in the plan's order."""
    events = {(event.name, event.track): event for event in _events(trace, "copy")}
    return tuple(
        TransferRow(
            value=copy.value,
            source=copy.source,
            target=copy.target,
            size_bytes=copy.size_bytes,
            before=before,
            predicted=Figure(copy.move_s, copy.basis),
            observed=_figure(events.get((copy.value, f"{copy.source}>{copy.target}"))),
        )
        for copy, before in zip(manifest.copies, arrivals(manifest), strict=True)
    )


def _events(trace: Trace | None, kind: str) -> list[Event]:
    return [event for event in trace.events if event.kind == kind] if trace else []


def _figure(event: Event | None) -> Figure | None:
    return Figure(event.duration_s, event.basis) if event else None
