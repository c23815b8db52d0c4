"""How far two arrays of numbers are apart."""

from collections.abc import Iterator

import numpy as np

from stagecut.compiler.ir.device import Tensor

#: So many numbers are compared at a time: in float64, a core's own cache holds them, and linear
#: algebra does not wake up threads for so few.
BLOCK = 1 << 13


def wide_blocks(one: Tensor, other: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Two arrays of one shape in float64, side by side, a part at a time: the whole of them would
    take as much memory as four such outputs."""
    flat = one.reshape(-1), other.reshape(-1)
    for first in range(0, one.size, BLOCK):
        a, b = (each[first : first + BLOCK].astype(np.float64) for each in flat)
        yield a, b


def apart(found: Tensor, wanted: Tensor) -> tuple[float, float]:
    """The largest difference of two arrays of one shape, and the largest finite number that is
    wanted; both 0 where there is none.

    A NaN or an infinity is right where it is wanted, and infinitely far off elsewhere.
    """
    most = largest = 0.0
    for a, b in wide_blocks(found, wanted):
        off, size = _apart(a, b)
        most, largest = max(most, off), max(largest, size)
    return most, largest


def _apart(a: Tensor, b: Tensor) -> tuple[float, float]:
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.abs(a - b)
    most = float(difference.max())
    if np.isfinite(most):  # then all are numbers, on both sides
        return most, float(np.abs(b).max())
    difference[(a == b) | (np.isnan(a) & np.isnan(b))] = 0.0
    most = float(np.nan_to_num(difference, nan=np.inf, posinf=np.inf).max())
    return most, float(np.abs(b[np.isfinite(b)]).max(initial=0.0))


def squares(found: Tensor, wanted: Tensor) -> tuple[float, float]:
    """The sum of the squares of the differences of two arrays of one shape, and that of what is
    wanted; of the places where both are numbers."""
    off = size = 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for a, b in wide_blocks(found, wanted):
            there = np.isfinite(a) & np.isfinite(b)
            ours, theirs = a[there], b[there]
            difference = ours - theirs
            off, size = off + float(difference @ difference), size + float(theirs @ theirs)
    return off, size
