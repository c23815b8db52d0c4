"""What lower precision does to outputs, measured, or as it was in an earlier compile."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter

from stagecut.compiler.ir.errors import StageFault
from stagecut.compiler.measure.cache import Cache
from stagecut.compiler.measurements import Measurements
from stagecut.passes.gate.contenders import Proposal
from stagecut.passes.precision.errors import NodeErrors

#: What single nodes do to outputs in lower precision, and whole plans.
_ERRORS, _OFF_BY = "errors", "off-by"


@dataclass(frozen=True, slots=True)
class KeptErrors:
    """Of nodes, on so many `samples`; so many others are `held_out` for plans."""

    found: NodeErrors
    samples: int
    held_out: int


def node_errors(
    measurements: Measurements, devices: Mapping[str, Mapping[str, str]]
) -> KeptErrors | None:
    """As `Answers.errors`, from the cache when they are there; None where the reference cannot
    say what is right."""
    settings = measurements.context.settings
    entries = Cache(settings.cache, _ERRORS, TypeAdapter(KeptErrors), settings.warn)
    key = measurements.identity.key(repr(devices))
    kept = entries.load(key)
    if kept is not None or measurements.answers.reference.problem:
        return kept
    split = measurements.answers.split
    found = measurements.answers.errors(devices)
    measured = KeptErrors(found, len(split.measured), len(split.held_out))
    entries.store(key, measured)
    return measured


def plan_error(measurements: Measurements, proposal: Proposal, tolerance: float) -> float | None:
    """How far off its outputs are: the relative rms error on held-out samples, or what is too
    far off elsewhere; None where nothing can be said. From the cache when it is there."""
    settings = measurements.context.settings
    entries = Cache(settings.cache, _OFF_BY, TypeAdapter(float), settings.warn)
    key = measurements.identity.key(str(proposal.schedule), f"{tolerance!r}")
    kept = entries.load(key)
    if kept is not None:
        return kept
    try:
        checked = measurements.answers.checked([proposal], tolerance)
    except StageFault:  # whoever compares it will meet it again, and say so
        return None
    off = next((each.rms for each in checked.built), None)
    for wrong in checked.wrong:
        off = max(wrong.flaw.relative, wrong.rms or 0.0)
    if off is None or not math.isfinite(off):
        return None
    entries.store(key, off)
    return off
