"""Relative rms errors over several samples."""

import numpy as np
import pytest

from stagecut.passes.precision.rms import rms


def _of(*numbers: float) -> dict[str, np.ndarray]:
    return {"y": np.array(numbers, np.float32)}


def test_it_is_of_all_samples_together() -> None:
    pairs = [(_of(1.0, 1.0), _of(1.0, 2.0)), (_of(5.0, 4.0), _of(4.0, 2.0))]
    assert rms(pairs) == pytest.approx((6 / 25) ** 0.5)


def test_it_is_that_of_the_worst_output_of_floats() -> None:
    right = {"y": np.ones(4), "z": np.ones(4), "i": np.arange(4)}
    found = {"y": np.full(4, 1.1), "z": np.full(4, 0.7), "i": np.zeros(4, int)}
    assert rms([(found, right)]) == pytest.approx(0.3)


def test_nothing_to_compare() -> None:
    assert rms([({"i": np.zeros(3, int)}, {"i": np.arange(3)})]) == 0.0


def test_something_in_place_of_zeros_is_infinitely_far_off() -> None:
    assert rms([(_of(1.0), _of(0.0))]) == np.inf
    assert rms([(_of(0.0), _of(0.0))]) == 0.0
