"""Operators that only look at numbers in another shape, by what ONNX says of their operands.

    Reshape [2, 3, 8] to (0, -1)     [2, 24]: 0 keeps a size, one -1 takes what is left
    Unsqueeze [3, 8] at (0, 1)       [1, 1, 3, 8]

The shape that comes out follows from the one that comes in: a stage whose shapes are open has them,
too.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

import numpy as np

from stagecut.compiler.ir.device import Tensor

Look: TypeAlias = Callable[[Tensor], Tensor]

#: Operators that only look at their first operand.
VIEWS = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"})


def view(op: str, numbers: Sequence[int] | None, axis: int, *, keeps_zero: bool = False) -> Look:
    """How `op`, one of VIEWS, looks at an array.

    `numbers` are the sizes of a Reshape, in which 0 stands for the size that is there unless it
    `keeps_zero`, or the axes of the others, None where it names none. `axis` is Flatten's.
    """
    sizes = tuple(numbers or ())
    match op:
        case "Reshape":
            return partial(_reshaped, sizes, keeps_zero)
        case "Squeeze":
            return partial(np.squeeze, axis=None if numbers is None else sizes)
        case "Unsqueeze":
            return partial(np.expand_dims, axis=sizes)
        case "Flatten":
            return partial(_flattened, axis)
        case _:
            return _same


def _reshaped(sizes: tuple[int, ...], keeps_zero: bool, array: Tensor) -> Tensor:
    if keeps_zero:
        return array.reshape(sizes)
    return array.reshape([size or array.shape[at] for at, size in enumerate(sizes)])


def _flattened(axis: int, array: Tensor) -> Tensor:
    at = axis if axis >= 0 else axis + array.ndim
    return array.reshape(int(np.prod(array.shape[:at], dtype=np.int64)), -1)


def _same(array: Tensor) -> Tensor:
    return array
