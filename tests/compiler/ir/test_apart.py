"""How far two arrays are apart."""

import numpy as np
import pytest

from stagecut.compiler.ir.apart import BLOCK, apart, squares, wide_blocks
from stagecut.compiler.ir.device import Tensor

NAN, INF = np.nan, np.inf
CASES = {
    "the same": ([1.0, -3.0], [1.0, -3.0], (0.0, 3.0)),
    "some are off": ([1.0, -2.5], [1.5, -3.0], (0.5, 3.0)),
    "NaN and infinity where they are wanted": ([NAN, INF, 1.0], [NAN, INF, 2.0], (1.0, 2.0)),
    "NaN elsewhere": ([NAN, 1.0], [1.0, 1.0], (INF, 1.0)),
    "an infinity elsewhere": ([1.0], [INF], (INF, 0.0)),
    "the other infinity": ([-INF], [INF], (INF, 0.0)),
    "farther apart than a number can say": ([-1e308], [1e308], (INF, 1e308)),
    "nothing": ([], [], (0.0, 0.0)),
}


@pytest.mark.parametrize(("found", "wanted", "expected"), CASES.values(), ids=CASES.keys())
def test_apart(found: list[float], wanted: list[float], expected: tuple[float, float]) -> None:
    assert apart(np.array(found), np.array(wanted)) == expected


def _at_once(found: Tensor, wanted: Tensor) -> tuple[float, float]:
    """The same by one look at the whole."""
    a, b = found.astype(np.float64), wanted.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        difference = np.where(same, 0.0, np.abs(a - b))
    most = float(np.nan_to_num(difference, nan=np.inf, posinf=np.inf).max(initial=0.0))
    return most, float(np.abs(b[np.isfinite(b)]).max(initial=0.0))


@pytest.mark.parametrize("size", [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5])
@pytest.mark.parametrize("odd", [0, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_parts_tell_what_the_whole_does(size: int, odd: int, dtype: type) -> None:
    rng = np.random.default_rng(size + odd)
    a, b = (100 * rng.standard_normal((2, size))).astype(dtype)
    if dtype is np.float32:
        for array in (a, b, a):  # mostly not in the same places
            array[rng.integers(size, size=odd)] = rng.choice([NAN, INF, -INF], odd)
        both = rng.integers(size, size=odd)
        a[both] = b[both]
    assert apart(a, b) == _at_once(a, b)


def test_no_part_is_large() -> None:
    shape = (3, BLOCK)
    one, other = np.zeros(shape, np.float32).T, np.ones(shape, np.float32).T
    parts = [*wide_blocks(one, other)]
    assert {(a.size, b.size, a.dtype.name) for a, b in parts} == {(BLOCK, BLOCK, "float64")}
    assert len(parts) == 3


def test_squares_are_of_numbers_on_both_sides() -> None:
    found, wanted = np.array([1.0, NAN, 5.0, 2.0]), np.array([3.0, 1.0, INF, 2.0])
    assert squares(found, wanted) == (4.0, 13.0)
    many = np.ones(3 * BLOCK + 1, np.float32)
    assert squares(many, 2 * many) == (many.size, 4.0 * many.size)
