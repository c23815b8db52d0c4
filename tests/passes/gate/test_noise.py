"""Medians with their intervals, and noise, on samples whose truth is known."""

from collections.abc import Sequence

import numpy as np
import pytest

from stagecut.passes.gate.noise import Interval, median_interval, noise

#: Number of samples -> which of them bound the median with 95 % confidence, from a table of the
#: binomial distribution.
RANKS = {1: (1, 1), 5: (1, 5), 6: (1, 6), 9: (2, 8), 25: (8, 18), 51: (19, 33)}


@pytest.mark.parametrize(("count", "ranks"), RANKS.items(), ids=str)
def test_ranks_of_the_binomial_table(count: int, ranks: tuple[int, int]) -> None:
    samples = [float(number) for number in reversed(range(1, count + 1))]
    assert median_interval(samples) == Interval(*map(float, ranks))


@pytest.mark.parametrize("count", [7, 15, 31, 51])
def test_the_true_median_is_covered_as_often_as_promised(count: int) -> None:
    """Skewed samples with a known median of ln 2: the interval assumes no distribution."""
    random = np.random.default_rng(count)
    covered = 0
    for _ in range(2000):
        found = median_interval(random.exponential(size=count).tolist())
        covered += found.low <= np.log(2) <= found.high
    assert covered >= 2000 * 0.94


CALM = [100, 101, 99, 100, 102, 100, 101, 100, 99, 100]
NOISE: dict[str, tuple[Sequence[float], str]] = {
    "a calm machine": (CALM, ""),
    "a few slow runs among many": ([*CALM, *CALM, 180, 250], ""),
    "runs all over the place": ([100, 140, 80, 120, 95, 160, 70, 110, 130, 90], "noisy"),
    "two speeds": ([*CALM, *(sample + 40 for sample in CALM)], "bimodal: 50%"),
    "too few to tell": ([1, 9, 1, 9], ""),
}


@pytest.mark.parametrize(("samples", "says"), NOISE.values(), ids=NOISE.keys())
def test_noise_is_told(samples: Sequence[float], says: str) -> None:
    assert noise(samples).startswith(says)
    assert bool(noise(samples)) == bool(says)
