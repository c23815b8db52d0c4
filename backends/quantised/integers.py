"""The numbers of a quantised weight, taken out of what a tool wrote: for engines that take them in
a form of their own.

    W[row, column] = values[row, column] * scales[row // block, column]
"""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from stagecut.backends.quantised.products import Product
from stagecut.compiler.ir.device import Tensor, as_array


@dataclass(frozen=True, eq=False)
class Integers:
    """`values` are int8 [inner, outer], of 4 bits where there are so many; `scales` are float32,
    [blocks, outer], each for `block` rows, the last of which may be fewer."""

    values: Tensor
    scales: Tensor
    block: int


def integers(product: Product) -> Integers:
    """Of either scheme."""
    for node in product.model.graph:
        if node.op_type == "MatMulNBits":
            return _in_blocks(node)
    return _in_columns(product.model.graph)


def _in_blocks(node: ir.Node) -> Integers:
    """[outer, blocks, bytes of a block], the lower four bits of a byte first; 0 stands in the
    middle of what so many bits hold."""
    inner, outer, bits, block = (
        node.attributes[name].as_int() for name in ("K", "N", "bits", "block_size")
    )
    packed, scales = (_array(value).reshape(outer, -1) for value in node.inputs[1:3])
    if bits == 4:
        packed = np.stack([packed & 15, packed >> 4], axis=-1).reshape(outer, -1)
    values = packed[:, :inner].astype(np.int16) - (1 << (bits - 1))
    return Integers(_turned(values.astype(np.int8)), _turned(scales), block)


def _in_columns(graph: ir.Graph) -> Integers:
    """One scale for each column of an int8 matrix."""
    arrays = [_array(value) for value in graph.initializers.values()]
    [values] = [each for each in arrays if each.dtype == np.int8 and each.ndim == 2]
    inner, outer = values.shape
    [scales] = [each for each in arrays if each.dtype == np.float32 and each.size == outer]
    return Integers(values.copy(), scales.reshape(1, outer).copy(), inner)


def _turned(array: Tensor) -> Tensor:
    return np.array(array.T, order="C")


def _array(value: ir.Value | None) -> Tensor:
    if value is None or value.const_value is None:
        raise AssertionError("the tools write weights and scales")
    return as_array(value.const_value)
