"""What each stage and each copy takes, as predicted and as observed."""

from collections.abc import Mapping

from stagecut.compiler.ir.plan import Manifest, PlannedCopy
from stagecut.compiler.ir.trace import Event, Trace
from stagecut.compiler.report.model.account import arrivals, stage_times
from stagecut.compiler.report.model.content import Figure, StageRow, TransferRow


def stage_rows(manifest: Manifest, trace: Trace | None) -> tuple[StageRow, ...]:
    """One row for each stage, in the order in which they run."""
    observed = _observed(manifest, trace)
    waiting: dict[int | None, list[PlannedCopy]] = {}
    for copy, stage in zip(manifest.copies, arrivals(manifest), strict=True):
        waiting.setdefault(stage, []).append(copy)
    return tuple(
        StageRow(
            index=stage.index,
            device=stage.device,
            nodes=stage.nodes,
            predicted=time,
            observed=observed.get(stage.index),
            share=time.time_s / manifest.predicted_s if manifest.predicted_s else 0.0,
            copies_in=len(waiting.get(stage.index, ())),
            copied_in_bytes=sum(copy.size_bytes for copy in waiting.get(stage.index, ())),
            energy_j=stage.energy_j,
        )
        for stage, time in zip(manifest.stages, stage_times(manifest), strict=True)
    )


def _observed(manifest: Manifest, trace: Trace | None) -> Mapping[int, Figure]:
    """What each stage took: in the traced run, else the median of the gate's runs of this plan."""
    if trace is not None:
        return {event.stage: _figure(event) for event in _events(trace, "stage")}
    times_s = next((found.stage_s for found in manifest.contenders if found.chosen), ())
    if not times_s:  # the contenders were only predicted
        return {}
    pairs = zip(manifest.stages, times_s, strict=True)
    return {stage.index: Figure(time_s, stage.basis) for stage, time_s in pairs}


def transfer_rows(manifest: Manifest, trace: Trace | None) -> tuple[TransferRow, ...]:
    """One row for each copy, in the plan's order."""
    events = {(event.name, event.track): _figure(event) for event in _events(trace, "copy")}
    return tuple(
        TransferRow(
            value=copy.value,
            source=copy.source,
            target=copy.target,
            size_bytes=copy.size_bytes,
            before=before,
            predicted=Figure(copy.move_s, copy.basis),
            observed=events.get((copy.value, f"{copy.source}>{copy.target}")),
        )
        for copy, before in zip(manifest.copies, arrivals(manifest), strict=True)
    )


def _events(trace: Trace | None, kind: str) -> list[Event]:
    return [event for event in trace.events if event.kind == kind] if trace else []


def _figure(event: Event) -> Figure:
    return Figure(event.duration_s, event.basis)
