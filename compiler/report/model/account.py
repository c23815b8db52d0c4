"""What a plan does in which order, and what each step is predicted to take; it adds up."""

from dataclasses import replace

from stagecut.compiler.ir.plan import Manifest
from stagecut.compiler.report.model.content import Figure


def stage_times(manifest: Manifest) -> tuple[Figure, ...]:
    """For each stage what its nodes take and what starting it costs."""
    starts_s = {device.name: device.stage_s for device in manifest.machine.devices}
    return tuple(
        Figure(starts_s[stage.device] + stage.predicted_s, stage.basis) for stage in manifest.stages
    )


def as_built(manifest: Manifest) -> Manifest:
    """With what the gate measured for each stage, and for all of them, as the prediction."""
    starts_s = {device.name: device.stage_s for device in manifest.machine.devices}
    return replace(
        manifest,
        predicted_s=manifest.predicted_s if manifest.as_built_s is None else manifest.as_built_s,
        stages=tuple(
            stage
            if stage.as_built_s is None
            else replace(stage, predicted_s=stage.as_built_s - starts_s[stage.device])
            for stage in manifest.stages
        ),
    )


def arrivals(manifest: Manifest) -> tuple[int | None, ...]:
    """For each copy the stage that it is made for, None where it is only handed back."""
    memory_of = {device.name: device.memory for device in manifest.machine.devices}
    first: dict[tuple[str, str], int] = {}
    for stage in manifest.stages:
        for port in stage.inputs:
            first.setdefault((port.name, memory_of[stage.device]), stage.index)
    return tuple(first.get((copy.value, copy.target)) for copy in manifest.copies)
