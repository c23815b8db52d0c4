"""Let a model hold its weights as the stages do that were made from it.

    stages                                    the model with its open dimensions
      stage 0  y = MatMul(x, W in few bits)     y = MatMul(x, W in few bits)
      stage 1  u = MatMul(y, V)                 u = MatMul(y, V)

Where no stage reads a weight in full, the model need not keep it so. Values have the same names in
both (respecialise.py).
"""

from collections.abc import Iterable, Iterator
from functools import reduce
from typing import TypeAlias

import onnx_ir as ir

from stagecut.compiler.formats.quantised_tensor import QuantisedTensor

#: A node by its first output, and which of its operands.
_Read: TypeAlias = tuple[str | None, int]


def hold_as_in(model: ir.Model, stages: Iterable[ir.Model]) -> None:
    """Replace the weights of `model` that every node that reads them has in few bits, and alike, in
    all of `stages` that it is in; a node that is in none of them reads its weights in full."""
    held: dict[_Read, QuantisedTensor | None] = {}
    for stage in stages:
        for value in stage.graph.initializers.values():
            tensor = value.const_value
            few = tensor if isinstance(tensor, QuantisedTensor) else None
            held.update({read: _alike(few, held.get(read, few)) for read in _reads(value)})
    for name, value in model.graph.initializers.items():
        found = [held.get(read) for read in _reads(value)]
        few = reduce(_alike, found) if found else None
        if few is not None and not value.is_graph_output():
            value.const_value = few.called(name)


def _reads(value: ir.Value) -> Iterator[_Read]:
    return ((usage.node.outputs[0].name, usage.idx) for usage in value.uses())


def _alike(one: QuantisedTensor | None, other: QuantisedTensor | None) -> QuantisedTensor | None:
    """Either of them, where both hold the same numbers in the same way."""
    return one if one is not None and other is not None and one.is_like(other) else None
