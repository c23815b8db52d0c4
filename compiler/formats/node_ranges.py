"""The numbers that nodes read and write, as samples told: kept with each node in the model, so that
its stages, and a plan's, have them.

    h = Conv(x, w)      stagecut.reads = "-1.5 2.25"     the least and the largest number of x
                        stagecut.writes = "0 6.5"        those of h
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import onnx_ir as ir

from stagecut.compiler.ir.device import Tensor

_READS, _WRITES = "stagecut.reads", "stagecut.writes"


@dataclass(frozen=True, slots=True)
class Range:
    """Both are finite; raises ValueError otherwise."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not -math.inf < self.low <= self.high < math.inf:
            raise ValueError(f"there are no numbers from {self.low:g} to {self.high:g}")

    def __or__(self, other: "Range") -> "Range":
        """What holds the numbers of both."""
        return Range(min(self.low, other.low), max(self.high, other.high))


def range_of(numbers: Tensor) -> Range | None:
    """None where there are none, or one is not finite."""
    try:
        return Range(float(numbers.min()), float(numbers.max())) if numbers.size else None
    except ValueError:
        return None


def put_ranges(model: ir.Model, ranges: Mapping[str, Range]) -> None:
    """Keep the `ranges` of values with the nodes whose first input or output they are."""
    for node in model.graph:
        for key, values in ((_READS, node.inputs[:1]), (_WRITES, node.outputs[:1])):
            for value in values:
                found = None if value is None else ranges.get(str(value.name))
                if found is not None:
                    node.metadata_props[key] = f"{found.low!r} {found.high!r}"


def copy_ranges(source: ir.Graph, target: ir.Graph) -> None:
    """Let the nodes of `target` have what those of `source` know, by their first outputs."""
    known = {node.outputs[0].name: node for node in source if node.outputs}
    for node in target:
        twin = known.get(node.outputs[0].name) if node.outputs else None
        props = {} if twin is None else twin.metadata_props
        node.metadata_props.update({key: props[key] for key in (_READS, _WRITES) if key in props})


def read_range(node: ir.Node) -> Range | None:
    """Of the node's first input; None where nobody knows."""
    return _range(node, _READS)


def written_range(node: ir.Node) -> Range | None:
    """Of the node's first output; None where nobody knows."""
    return _range(node, _WRITES)


def _range(node: ir.Node, key: str) -> Range | None:
    """None, too, for a text that is no range."""
    low, _, high = node.metadata_props.get(key, "").partition(" ")
    try:
        return Range(float(low), float(high))
    except ValueError:
        return None
