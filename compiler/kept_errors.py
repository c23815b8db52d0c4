"""What lower precision does to outputs, measured, or as it was in an earlier compile."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stagecut.compiler.effort import ERROR_RUNS
from stagecut.compiler.ir.errors import StageFault
from stagecut.compiler.ir.metric import Metric
from stagecut.compiler.ir.program import Program
from stagecut.compiler.measure.cache import Cache
from stagecut.compiler.measurements import Measurements
from stagecut.passes.gate.contenders import Proposal
from stagecut.passes.precision.errors import NodeErrors
from stagecut.passes.precision.held_out import HeldOut

#: What single nodes do to outputs in lower precision, and whole plans.
_ERRORS, _OFF_BY = "errors-by-output", "off-by"


@dataclass(frozen=True, slots=True)
class KeptErrors:
    """Of nodes, on so many `samples`; so many others are `held_out` for plans. `own` is the
    relative rms error of the model itself on the latter, where it is held against an original."""

    found: NodeErrors
    samples: int
    held_out: int
    own: float = 0.0


@dataclass(frozen=True, slots=True)
class KeptCheck:
    """One plan on held-out samples, whether it may ship or not, None where nothing can be said; and
    how large its flaw is, 0 where it has none."""

    held: HeldOut | None
    flaw: float = 0.0

    def off(self, metric: Metric | None) -> float | None:
        """How far off its outputs are, in the terms of the tolerance: the relative rms error on
        held-out samples, or what the user's metric loses there, or what is too far off elsewhere;
        None where nothing can be said. What a metric gains is no loss."""
        if self.held is None and not self.flaw:
            return None
        own = 0.0
        if self.held is not None:
            own = self.held.rms if metric is None else max(0.0, self.held.loss)
        off = max(self.flaw, own)
        return off if math.isfinite(off) else None


def node_errors(
    measurements: Measurements, devices: Mapping[str, Mapping[str, str]]
) -> KeptErrors | None:
    """As `Answers.errors`, from the cache when they are there; None where the reference cannot
    say what is right."""
    settings = measurements.context.settings
    entries = Cache(settings.cache, _ERRORS, KeptErrors, settings.warn)
    runs = str(ERROR_RUNS[settings.effort])
    key = measurements.identity.key(repr(devices), runs, *_of_metric(measurements.program))
    kept = entries.load(key)
    if kept is not None or measurements.answers.reference.problem:
        return kept
    split = measurements.answers.split
    found = measurements.answers.errors(devices)
    own = measurements.answers.own_error()
    measured = KeptErrors(found, len(split.measured), len(split.held_out), own)
    entries.store(key, measured)
    return measured


def _of_metric(program: Program) -> Iterator[bytes | str]:
    """What of the user's own metric the errors depend on: its samples are those held out."""
    if program.metric is None:
        return
    for sample in program.metric.samples:
        for name, array in sample.items():
            yield from (name, str(array.dtype), str(array.shape), array.tobytes())


def plan_check(measurements: Measurements, proposal: Proposal, tolerance: float) -> KeptCheck:
    """What is found of a plan; from the cache when it is there."""
    settings = measurements.context.settings
    entries = Cache(measurements.kept_in, _OFF_BY, KeptCheck, settings.warn)
    key = measurements.identity.key(str(proposal.schedule), f"{tolerance!r}")
    kept = entries.load(key)
    if kept is not None:
        return kept
    try:
        checked = measurements.answers.checked([proposal], tolerance)
    except StageFault:  # whoever compares it will meet it again, and say so
        return KeptCheck(None)
    found = KeptCheck(None)
    for built in checked.built:
        found = KeptCheck(built.held)
    for wrong in checked.wrong:
        found = KeptCheck(wrong.held, wrong.flaw.relative)
    if math.isfinite(found.flaw):
        entries.store(key, found)
    return found
