"""Nodes that rewrites put into a model: numbers, and what cuts a value along an axis.

y = x[:, -1:]    =>    first = Constant [-1]   end = Constant [END]   axis = Constant [1]
                       y = Slice(x, first, end, axis)
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

#: Behind all that there is.
END = 2**63 - 1


def constant(array: npt.NDArray[Any]) -> ir.Node:
    """What writes `array`."""
    return ir.node("Constant", [], {"value": ir.tensor(array)})


def number(value: int, rank: int = 1) -> ir.Node:
    """What writes an int64, in so many dimensions."""
    return constant(np.full([1] * rank, value, np.int64))


def cut(value: ir.Value, first: int | ir.Value, end: int, axis: int) -> list[ir.Node]:
    """What cuts `value` from `first`, a number or a value, up to `end`: the last of these."""
    given = [first] if isinstance(first, ir.Value) else []
    numbers = [number(each) for each in (first, end, axis) if not isinstance(each, ir.Value)]
    bounds = [*given, *(each.outputs[0] for each in numbers)]
    return [*numbers, ir.node("Slice", [value, *bounds])]
