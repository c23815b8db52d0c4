"""How far off outputs are over several samples, as the root of the mean of squares."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from stagecut.compiler.ir.apart import squares
from stagecut.compiler.ir.device import Tensor

#: What was found on one sample, and what is right there, by output.
Pair: TypeAlias = tuple[Mapping[str, Tensor], Mapping[str, Tensor]]


def rms(pairs: Sequence[Pair]) -> float:
    """For each output that holds floats, the root of the sum of squared differences over that of
    what is right, on all samples together; the largest of these. 0 where there is none."""
    return max(rms_by_output(pairs).values(), default=0.0)


def rms_by_output(pairs: Sequence[Pair]) -> dict[str, float]:
    """The same of each of them."""
    names = [name for name, array in pairs[0][1].items() if "float" in array.dtype.name]
    return {name: _of_output(name, pairs) for name in names}


def _of_output(name: str, pairs: Sequence[Pair]) -> float:
    sums = [squares(found[name], right[name]) for found, right in pairs]
    off, size = sum(each[0] for each in sums), sum(each[1] for each in sums)
    if not size:
        return 0.0 if not off else float("inf")
    return float(np.sqrt(off / size))
