"""Rounding to number formats of 8 and 16 bits, whose numbers are kept in float32 arrays.

Results beyond the largest finite number become infinite, as in IEEE 754.
"""

import ml_dtypes
import numpy as np
import numpy.typing as npt

from stagecut.compiler.ir.device import Tensor


def narrow(array: Tensor, dtype: npt.DTypeLike) -> Tensor:
    """Round to `dtype`, to nearest even; numbers beyond its largest become infinite."""
    with np.errstate(over="ignore"):
        return array.astype(dtype)


def wide(array: Tensor) -> Tensor:
    """Convert to float32, which represents every such number exactly."""
    return array.astype(np.float32)


def held(array: Tensor, dtype: npt.DTypeLike) -> Tensor:
    """Any floats, rounded to `dtype` and returned as float32."""
    return wide(narrow(array, dtype))


def rounded(array: Tensor, dtype: npt.DTypeLike) -> Tensor:
    """The same as `held` for float32, four times as fast; `array` is overwritten by the result.

    Normal numbers are rounded by arithmetic on their bits. Subnormal, huge and infinite numbers and
    NaNs, where that is not enough, are converted to `dtype` and back.
    """
    array = np.asarray(array)
    info = ml_dtypes.finfo(dtype)  # type: ignore[no-untyped-call]
    size = np.abs(array)
    special = ~((size < info.max) & ((size >= info.smallest_normal) | (size == 0)))
    apart = held(array[special], dtype) if special.any() else None
    _round_bits(array.view(np.uint32), cut=23 - info.nmant)
    if apart is not None:
        array[special] = apart
    return array


def _round_bits(words: Tensor, *, cut: int) -> None:
    """Round the bits of float32 numbers, in place, to nearest even with the last `cut` bits zero.

    Half a unit of the last bit that stays is added, less one unit of the number's last bit where
    the bit that stays is even; then the last `cut` bits are cleared. A carry into the exponent
    gives the next power of two, which is correct.
    """
    words += ((words >> np.uint32(cut)) & np.uint32(1)) + np.uint32((1 << (cut - 1)) - 1)
    words &= np.uint32((1 << 32) - (1 << cut))
