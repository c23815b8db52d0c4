"""The least period by asking for shorter and shorter ones."""

from fractions import Fraction

import pytest

from stagecut.passes.partition.throughput.probe import Part
from stagecut.passes.partition.throughput.search import shortest


class Periods:
    """A prober whose pipelines are their periods: one for each that there is."""

    def __init__(self, *periods: Fraction) -> None:
        self._periods = sorted(periods)

    def potentials(self, period: Fraction, *, strict: bool) -> list[Fraction]:
        return [each for each in self._periods if each < period or (each == period and not strict)]

    def can_keep(self, potentials: list[Fraction]) -> bool:
        return bool(potentials)

    def parts(
        self, potentials: list[Fraction], period: Fraction, *, strict: bool
    ) -> tuple[Part, ...]:
        return (Part(0, self._periods.index(potentials[-1]), 0, 1),)

    def period(self, parts: tuple[Part, ...]) -> Fraction:
        return self._periods[parts[0].end]


CASES = {
    "one": (Fraction(7),),
    "some": (Fraction(7), Fraction(20), Fraction(3), Fraction(1000)),
    "near each other": tuple(Fraction(10**9 + at, 7) for at in range(5)),
    "less than a tick": (Fraction(1, 3), Fraction(1, 2), Fraction(9)),
    "none at all": (Fraction(0), Fraction(4)),
}


@pytest.mark.parametrize("periods", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("low", [0, 1])
def test_the_least_of(periods: tuple[Fraction, ...], low: int) -> None:
    probe = Periods(*periods)
    start = (Part(0, len(periods) - 1, 0, 1),)
    parts, proof = shortest(probe, start, low * min(periods))
    assert probe.period(parts) == min(periods)
    assert not probe.period(parts) or not probe.can_keep(proof)
