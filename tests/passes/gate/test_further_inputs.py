"""Inputs beside the samples: in their likeness, and the same every time."""

import ml_dtypes
import numpy as np
import pytest

from stagecut.compiler.ir.device import Feeds
from stagecut.passes.gate.further_inputs import MOST_SETS, InputSet, further_inputs, is_float

X = np.linspace(-1, 3, 64, dtype=np.float32).reshape(8, 8)


def _sets(**samples: np.ndarray) -> dict[str, InputSet]:
    return {each.name: each for each in further_inputs(samples)}


def test_the_sets_of_a_float() -> None:
    found = _sets(x=X)
    names = ["the sample inputs", "random numbers", "zeros", "small numbers", "extremes"]
    names.append("NaN and infinities")
    assert [*found] == names
    assert len(names) == MOST_SETS
    for each in found.values():
        assert (each.feeds["x"].shape, each.feeds["x"].dtype) == (X.shape, X.dtype)
    assert found["the sample inputs"].feeds["x"] is X
    drawn = found["random numbers"].feeds["x"]
    assert -1 <= drawn.min() < -0.5 < 2.5 < drawn.max() <= 3
    assert not found["zeros"].feeds["x"].any()
    np.testing.assert_allclose(found["small numbers"].feeds["x"], drawn / 1000, rtol=1e-6)
    assert set(found["extremes"].feeds["x"].flat) == {-1, 3, -300, 300}
    odd = found["NaN and infinities"]
    numbers, opposite = odd.numbers
    assert numbers == found["random numbers"]
    assert np.isnan(odd.feeds["x"]).any()
    assert np.isinf(odd.feeds["x"]).any()
    changed = ~np.isfinite(odd.feeds["x"])
    np.testing.assert_array_equal(odd.feeds["x"][~changed], drawn[~changed])
    np.testing.assert_array_equal(opposite.feeds["x"][~changed], drawn[~changed])
    assert np.all(drawn[changed] * opposite.feeds["x"][changed] <= 0)
    assert np.abs(opposite.feeds["x"][changed]).min() > 6
    assert [name for name, each in found.items() if each.stretched] == names[3:]


def test_the_same_samples_give_the_same_inputs() -> None:
    for one, other in zip(further_inputs({"x": X}), further_inputs({"x": X}), strict=True):
        np.testing.assert_array_equal(one.feeds["x"], other.feeds["x"])


def test_what_may_be_an_index_or_a_size_is_never_another_number() -> None:
    sample = np.array([[3, 1, 224], [3, 1, 7]])
    for each in further_inputs({"x": X, "i": sample}):
        assert sorted(each.feeds["i"].flat) == sorted(sample.flat)


def test_short_integers_are_data() -> None:
    found = _sets(x=np.ones((16, 16), np.uint8))
    assert found["random numbers"].feeds["x"].max() > 200
    assert set(found["extremes"].feeds["x"].flat) == {0, 255}
    assert not found["zeros"].feeds["x"].any()


def test_booleans_that_are_all_true_were_made_up() -> None:
    found = _sets(x=np.ones(64, np.bool_))
    assert set(found["random numbers"].feeds["x"]) == {True, False}
    given = np.arange(64) < 10
    for each in further_inputs({"x": given}):
        assert each.feeds["x"].sum() == 10


@pytest.mark.parametrize(
    "sample",
    [
        np.array(7),
        np.array(["a", "a"], object),
        np.empty((0, 3), np.float32),
        np.array([0], np.int64),
    ],
    ids=["an integer", "strings", "empty", "zero"],
)
def test_sets_that_are_the_same_stand_once(sample: np.ndarray) -> None:
    assert [*_sets(x=sample)] == ["the sample inputs"]


def test_a_scale_stays_in_its_range() -> None:
    scales = np.array([1, 1, 2, 2], np.float32)
    for each in further_inputs({"x": scales})[:-1]:
        assert np.abs(each.feeds["x"]).max() <= 2


def test_a_scalar_and_other_formats_stay_what_they_are() -> None:
    for sample in (np.array(0.5, np.float16), np.full(64, 0.5, ml_dtypes.bfloat16)):
        assert is_float(sample)
        for each in further_inputs({"x": sample}):
            assert isinstance(each.feeds["x"], np.ndarray)
            assert each.feeds["x"].dtype == sample.dtype


def test_samples_that_are_no_numbers_have_no_range() -> None:
    nothing = np.full(64, -np.inf, np.float32)
    found = _sets(x=nothing)
    assert not found["random numbers"].feeds["x"].any()


def test_inputs_nearby_differ_by_roundings() -> None:
    samples: Feeds = {"x": X, "i": np.arange(3)}
    zeros = {each.name: each for each in further_inputs(samples)}["zeros"]
    near = InputSet("samples", samples).near(samples, 1e-5)
    assert 0 < np.abs(near["x"] - X).max() < 4e-5
    assert near["i"] is samples["i"]
    shaken = zeros.near(samples, 1e-5)["x"]
    assert 0 < np.abs(shaken).max() <= 3e-5
    endless = InputSet("odd", {"x": np.array([np.inf, np.nan], np.float32)})
    np.testing.assert_array_equal(endless.near(endless.feeds, 1e-5)["x"], endless.feeds["x"])
