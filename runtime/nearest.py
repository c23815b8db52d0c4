"""How far shapes are from those that a variant was profiled with: the nearest one runs."""

import math
from itertools import zip_longest

from stagecut.runtime.unprofiled_shapes import Shapes

#: What each dimension of an input of another rank counts for: more than any size.
_OTHER_RANK = 1e3


def distance(shapes: Shapes, profiled: Shapes) -> float:
    """The sum of |log(size / profiled size)|: 32 is as far from 16 as from 64."""
    return math.fsum(
        abs(math.log(max(one, 1) / max(other, 1))) if len(shape) == len(near) else _OTHER_RANK
        for shape, near in zip(shapes, profiled, strict=True)
        for one, other in zip_longest(shape, near, fillvalue=1)
    )
