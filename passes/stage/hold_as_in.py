"""Let a model hold its weights as the stages do that were made from it.

    stages                                    the model with its open dimensions
      stage 0  y = MatMul(x, W in few bits)     y = MatMul(x, W in few bits)
      stage 1  u = MatMul(y, V)                 u = MatMul(y, V)

Where no stage reads a weight in full, the model need not keep it so. Values that nodes write have
the same names in both (respecialise.py).
"""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import onnx_ir as ir

from stagecut.compiler.formats.hold_in_few_bits import hold_in_few_bits
from stagecut.compiler.formats.quantised_tensor import QuantisedTensor

#: A node by its first output, and which of its operands.
_Read: TypeAlias = tuple[str | None, int]


def hold_as_in(model: ir.Model, stages: Iterable[ir.Model]) -> None:
    """Let every node of `model` read the weights in few bits that it reads so, and alike, in all of
    `stages` that it is in; one that is in none of them reads its weights as it does. What `model`
    holds in few bits of its own stays so."""
    held: dict[_Read, QuantisedTensor | None] = {}
    for stage in stages:
        for value in stage.graph.initializers.values():
            tensor = value.const_value
            few = tensor if isinstance(tensor, QuantisedTensor) else None
            for node, index in value.uses():
                read = _read(node, index)
                held[read] = _alike(few, held.get(read, few))
    for value in [*model.graph.initializers.values()]:
        if not isinstance(value.const_value, QuantisedTensor):
            for few, uses in _in_few_bits(value, held):
                hold_in_few_bits(model.graph, value, uses, few)


def _in_few_bits(
    value: ir.Value, held: Mapping[_Read, QuantisedTensor | None]
) -> list[tuple[QuantisedTensor, list[tuple[ir.Node, int]]]]:
    """What reads a weight in few bits, by how."""
    found: list[tuple[QuantisedTensor, list[tuple[ir.Node, int]]]] = []
    for node, index in value.uses():
        few = held.get(_read(node, index))
        if few is not None:
            uses = next((uses for other, uses in found if other.is_like(few)), None)
            if uses is None:
                found.append((few, uses := []))
            uses.append((node, index))
    return found


def _read(node: ir.Node, index: int) -> _Read:
    return node.outputs[0].name, index


def _alike(one: QuantisedTensor | None, other: QuantisedTensor | None) -> QuantisedTensor | None:
    """Either of them, where both hold the same numbers in the same way."""
    return one if one is not None and other is not None and one.is_like(other) else None
