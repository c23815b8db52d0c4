"""Random inputs in the ranges that a plan was profiled with."""

import numpy as np
import pytest

from stagecut.compiler.ir.port import InputPort
from stagecut.runtime.feeds import random_feeds

PORTS = (
    InputPort("ids", "int64", (1, 128), 3, 7, dims=("batch", "seq")),
    InputPort("mask", "bool", (1, 128), dims=("batch", "seq")),
    InputPort("scale", "float32", (1, 4), -2.0, -1.0, dims=("batch", 4)),
    InputPort("names", "string", (2,)),
)


def test_types_and_ranges() -> None:
    feeds = random_feeds(PORTS, 0)
    assert {name: array.shape for name, array in feeds.items()} == {
        "ids": (1, 128), "mask": (1, 128), "scale": (1, 4), "names": (2,)
    }  # fmt: skip
    assert set(feeds["ids"].ravel()) == {3, 4, 5, 6, 7}
    assert set(feeds["mask"].ravel()) == {False, True}
    assert -2 <= feeds["scale"].min() <= feeds["scale"].max() <= -1
    assert list(feeds["names"]) == ["", ""]
    assert [array.dtype.kind for array in feeds.values()] == ["i", "b", "f", "O"]


def test_the_same_seed_gives_the_same_arrays() -> None:
    one, same, other = (random_feeds(PORTS, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one["ids"], same["ids"])
    assert (one["ids"] != other["ids"]).any()


def test_a_shape_decides_about_dimensions_of_the_same_name() -> None:
    feeds = random_feeds(PORTS, 0, {"ids": (3, 9)})
    assert [array.shape for array in feeds.values()] == [(3, 9), (3, 9), (3, 4), (2,)]


@pytest.mark.filterwarnings("ignore:overflow")  # as infinity is in the range
@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        ("float32", -np.inf, np.inf),
        ("float64", -1e308, 1e308),
        ("float32", np.nan, np.nan),
        ("int64", -(2.0**63), 2.0**63),
        ("uint8", 0.0, np.nan),
    ],
)
def test_ranges_that_no_generator_takes_are_cut(dtype: str, low: float, high: float) -> None:
    port = InputPort("x", dtype, (3,), low, high)
    feeds = random_feeds([port], 0)
    assert feeds["x"].dtype == dtype
    assert feeds["x"].shape == (3,)
