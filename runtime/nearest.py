"""Which variant of an entry runs: by how far shapes are from those that each was profiled with, or
of a decoder's step by the length of the sequence."""

import math
from bisect import bisect_right
from collections.abc import Callable
from itertools import zip_longest

from stagecut.compiler.ir.plan import PlannedEntry
from stagecut.compiler.ir.state import Decoding
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


def chooser(entry: PlannedEntry, decoding: Decoding | None) -> Callable[[Shapes], int]:
    """Says of the shapes of all inputs which variant is for them."""
    profiled = [tuple(port.shape for port in each.inputs) for each in entry.variants]
    if len(profiled) == 1:
        return lambda _: 0
    if not entry.switches or decoding is None:
        numbers = range(len(profiled))
        return lambda shapes: min(numbers, key=lambda at: distance(shapes, profiled[at]))
    names = [port.name for port in entry.variants[0].inputs]
    grows = names.index(decoding.states[0].past)
    return lambda shapes: bisect_right(entry.switches, shapes[grows][0])
