"""The least period that can be kept, by asking for shorter and shorter ones.

4 ms?  yes, with 3 ms      bisect between what is known to be too short and what was found
2 ms?  no                  until the two are near each other,
2.9 ms?  yes, with 2.8 ms  then ask for anything shorter than what was found
shorter than 2.8 ms?  no   -> 2.8 ms, and what the last probe found out is the proof
"""

from fractions import Fraction
from typing import Protocol, TypeVar

from stagecut.passes.partition.throughput.probe import Part

#: Bisection ends when the period is known to this part of it; the rest is for strict probes.
_NEAR = 1e-4

Answer = TypeVar("Answer")


class Prober(Protocol[Answer]):
    """Looks for pipelines with a period of at most, or `strict`ly below, that many ticks."""

    def potentials(self, period: Fraction, *, strict: bool) -> Answer: ...
    def can_keep(self, potentials: Answer) -> bool: ...
    def parts(self, potentials: Answer, period: Fraction, *, strict: bool) -> tuple[Part, ...]: ...
    def period(self, parts: tuple[Part, ...]) -> Fraction: ...


def shortest(
    probe: Prober[Answer], parts: tuple[Part, ...], low: Fraction
) -> tuple[tuple[Part, ...], Answer]:
    """A pipeline with the least period, and what proves it. Begins with one that can be kept, whose
    period is not 0; no period below `low` can be."""
    period = probe.period(parts)
    potentials = probe.potentials(period, strict=True)
    while period and probe.can_keep(potentials):
        parts = probe.parts(potentials, period, strict=True)
        period = probe.period(parts)
        while period and period - low > period * Fraction(_NEAR):
            middle = (low + period) / 2
            middle = Fraction(int(middle)) if middle >= 1 else middle
            if middle <= low:
                break
            kept = probe.potentials(middle, strict=False)
            if not probe.can_keep(kept):
                low = middle
                continue
            parts = probe.parts(kept, middle, strict=False)
            period = probe.period(parts)
        if period:
            potentials = probe.potentials(period, strict=True)
    return parts, potentials
