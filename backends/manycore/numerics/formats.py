"""The number formats of a many-core device: what is stored, and what products are added up in.

Its FPU has expanding dot products: operands of 8 bits are added up in 16, operands of 16 bits in 32
(Bertaccini et al., MiniFloat-NN and ExSdotp, ARITH 2022). Its small formats are IEEE-like, with
infinities, so that the largest E4M3 number is 240, not the 448 of formats without them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from stagecut.backends.rounding import narrow, rounded
from stagecut.compiler.ir.device import Tensor


@dataclass(frozen=True, slots=True)
class Format:
    """`stored` is what memory holds, `sums` what a dot product is added up in.

    A register of 64 bits has `lanes` of the former; a dot product takes `terms` products a sum.
    """

    name: str
    stored: np.dtype[Any]
    sums: np.dtype[Any]
    terms: int

    @property
    def lanes(self) -> int:
        return 8 // self.stored.itemsize

    @property
    def computed(self) -> np.dtype[Any]:
        """What numpy keeps these numbers in: it is slow on small formats."""
        return np.dtype(np.float64 if self.stored.itemsize == 8 else np.float32)

    @property
    def unit(self) -> float:
        """The largest relative error of one rounding of a normal number: half a unit in the last
        place."""
        return _unit(self.stored)

    @property
    def sum_unit(self) -> float:
        return _unit(self.sums)

    @property
    def tiny(self) -> float:
        """The largest error of rounding a subnormal number."""
        return _tiny(self.stored)

    @property
    def sum_tiny(self) -> float:
        return _tiny(self.sums)

    def rounded(self, array: Tensor) -> Tensor:
        """To the stored format, in an array of `computed`, which may be `array` itself."""
        if self.stored == self.computed:
            return np.asarray(array, self.computed)
        return rounded(np.asarray(array, self.computed), self.stored)

    def held(self, array: Tensor) -> Tensor:
        """Any floats as the memory holds them, in an array of `computed`."""
        return narrow(array, self.stored).astype(self.computed)


def _unit(dtype: np.dtype[Any]) -> float:
    digits: int = ml_dtypes.finfo(dtype).nmant  # type: ignore[no-untyped-call]
    return float(2.0 ** -(digits + 1))


def _tiny(dtype: np.dtype[Any]) -> float:
    return float(ml_dtypes.finfo(dtype).smallest_subnormal) / 2  # type: ignore[no-untyped-call]


def _format(name: str, stored: type, sums: type, terms: int) -> Format:
    return Format(name, np.dtype(stored), np.dtype(sums), terms)


#: By the name of the precision. FP32 and FP64 have a fused multiply-add, one product a sum.
FORMATS: Mapping[str, Format] = {
    each.name: each
    for each in (
        _format("fp64", np.float64, np.float64, 1),
        _format("fp32", np.float32, np.float32, 1),
        _format("fp16", np.float16, np.float32, 2),
        _format("fp8", ml_dtypes.float8_e4m3, np.float16, 2),
        _format("fp8_e5m2", ml_dtypes.float8_e5m2, np.float16, 2),
    )
}
