"""What the nodes of a model do, whatever runs them: arithmetic, weights, values."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from stagecut.compiler.ir.graph import Graph, Node, Operator, Value

#: A product has a fast kernel of its own; a map computes each element by itself, or a few numbers
#: out of many; a move only changes where numbers lie.
Kind: TypeAlias = Literal["product", "map", "move"]

_PRODUCTS = frozenset({"MatMul", "Gemm", "Conv", "FusedMatMul"})
_MOVES = frozenset(
    {"Transpose", "Concat", "Gather", "Slice", "Split", "Expand", "Pad", "Cast", "Where", "Tile"}
)
#: They give an old tensor a new shape, or are known before anything runs.
_FREE = frozenset(
    {
        "Reshape",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
        "Identity",
        "Shape",
        "Constant",
        "ConstantOfShape",
        "Range",
        "Dropout",
    }
)


@dataclass(frozen=True, slots=True)
class Work:
    """A node at the shapes of one input: one operator, or several that run as one kernel.

    `rows` are those of a product's left operand, which are what batches add to; `elements` is what
    it writes.

    `compute_s` is what one thread takes whose data are in its caches, where that is known by more
    than the rates of kernels.
    """

    name: str
    kind: Kind
    flops: int
    weight_bytes: int
    read_bytes: int
    written_bytes: int
    elements: int
    rows: int
    compute_s: float | None = None

    @property
    def value_bytes(self) -> int:
        return self.read_bytes + self.written_bytes


def works_of(graph: Graph) -> tuple[Work, ...]:
    """The nodes of a graph in its order, those left out that do nothing when they run."""
    return tuple(_work(node) for node in graph.nodes if not _FREE.issuperset(_operators(node)))


def _work(node: Node) -> Work:
    tables = [value for each in node.operators if each.op == "Gather" for value in each.reads]
    looked_up = {value.name for value in tables if value.constant}
    weights = [value for value in node.weights if value.name not in looked_up]
    products = [each for each in node.operators if _is_product(each)]
    return Work(
        node.name,
        _kind(node, products),
        node.flops,
        _bytes(weights),
        _bytes(node.inputs) or _bytes(node.outputs),
        _bytes(node.outputs),
        sum(value.elements for value in node.outputs),
        _rows(products[0]) if products else 1,
    )


def _operators(node: Node) -> set[str]:
    return {operator.op for operator in node.operators}


def _kind(node: Node, products: Sequence[Operator]) -> Kind:
    if products:
        return "product"
    return "move" if _operators(node) <= _MOVES | _FREE else "map"


def _is_product(operator: Operator) -> bool:
    """Where each channel is by itself, a convolution is none."""
    grouped = operator.op == "Conv" and operator.attributes.get("group", 1) != 1
    return operator.op in _PRODUCTS and not grouped


def _rows(product: Operator) -> int:
    """Of its left operand: positions of an image, tokens of a sentence."""
    shape = product.writes[0].shape
    if product.op == "Conv":
        return math.prod((shape[0], *shape[2:]))
    return math.prod(shape[:-1])


def _bytes(values: Iterable[Value]) -> int:
    return sum(value.size_bytes for value in values)


@dataclass(frozen=True, slots=True)
class WorkingSet:
    """What the calls of a stage touch again and again: its weights, and the largest operator's
    values."""

    weight_bytes: int
    value_bytes: int

    @classmethod
    def of(cls, works: Iterable[Work]) -> "WorkingSet":
        listed = [*works]
        return cls(
            sum(work.weight_bytes for work in listed),
            max((work.value_bytes for work in listed), default=0),
        )
