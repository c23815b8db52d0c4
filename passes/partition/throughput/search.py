"""The least period that can be kept, by asking for shorter and shorter ones.

shorter than 4 ms?  yes, with 3 ms
2.997 ms?  yes, with 2.8 ms   ask for less and less, by steps that grow, until that is too little;
2.78 ms?  no                  bisect between what is too short and what was found, until the two are
                              near each other; then ask for anything shorter than what was found
shorter than 2.8 ms?  no      -> 2.8 ms, and what the last probe found out is the proof

Where what it begins with is nearly the shortest already, few probes have to be asked.
"""

from fractions import Fraction
from typing import Protocol, TypeVar

from stagecut.passes.partition.throughput.probe import Part

#: Bisection ends when the period is known to this part of it; the rest is for strict probes.
_NEAR = 1e-4

#: The first step is by that part of the period, and each one so many times as long as before.
_FIRST_STEP, _LONGER = 1e-3, 8

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
        step = Fraction(_FIRST_STEP)
        while period and period - low > period * Fraction(_NEAR):
            middle = max((low + period) / 2, period * (1 - step))
            middle = Fraction(int(middle))
            if middle <= low:  # or less than what times are counted in
                break
            kept = probe.potentials(middle, strict=False)
            if not probe.can_keep(kept):
                low, step = middle, Fraction(1)
                continue
            step *= _LONGER
            parts = probe.parts(kept, middle, strict=False)
            period = probe.period(parts)
        if period:
            potentials = probe.potentials(period, strict=True)
    return parts, potentials
