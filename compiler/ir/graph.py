"""The planning view of a model: frozen Nodes and Values; the program itself stays an ONNX model.

Value     a tensor with its bound shape
Operator  one ONNX operator with its operands
Node      one or more operators that are placed as a whole
Graph     nodes in topological order and the values that pass between them
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np

from stagecut.compiler.ir.errors import ModelError

#: The dimensions of a tensor as a model declares them; "?" where one is open and has no name.
Dims: TypeAlias = tuple[int | str, ...]

#: The dimensions of a tensor of which a model does not even declare how many it has.
ANY_RANK: Dims = ("...",)

Attribute: TypeAlias = int | float | str | tuple[int, ...] | tuple[float, ...] | tuple[str, ...]

#: Bytes that a string counts for; its true length is known only at run time.
_STRING_BYTES = 16


def fits(dims: Sequence[object], sizes: Sequence[int]) -> bool:
    """Whether the sizes are those of the dimensions, as far as these are numbers."""
    return len(dims) == len(sizes) and all(
        not isinstance(dim, int) or dim == size for dim, size in zip(dims, sizes, strict=True)
    )


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor that nodes pass on, or a weight (`constant`).

    `dtype` is numpy's name ("float32"), "string", or another ONNX type ("sequence(float32)"),
    whose values cannot leave the engine that made them. `grows` is the axis along which it is a
    state of a decoder with the new rows behind it, or one as it was: a device may have it in its
    memory, in whatever layout it reads it. None for all others.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    constant: bool = False
    grows: int | None = None

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        if self.dtype == "string":
            return self.elements * _STRING_BYTES
        itemsize = _itemsize(self.dtype)
        return 0 if itemsize is None else self.elements * itemsize

    @property
    def portable(self) -> bool:
        """Whether a numpy array of a standard type can carry it from one device to another."""
        if self.dtype == "string":
            return True
        try:
            dtype = np.dtype(self.dtype)
        except TypeError:
            return False
        return dtype.kind in "biufc" and dtype.isbuiltin == 1

    def __str__(self) -> str:
        return f"%{self.name}:{self.dtype}[{sizes_text(self)}]"


def sizes_text(value: Value) -> str:
    """`64+x1x2x16`: the sizes, with a mark at that along which it grows."""
    marks = ("+" if axis == value.grows else "" for axis in range(len(value.shape)))
    return "x".join(f"{size}{mark}" for size, mark in zip(value.shape, marks, strict=True))


def _itemsize(dtype: str) -> int | None:
    """Bytes of one element; None for types that are no tensors. Knows bfloat16 and the like."""
    try:
        return np.dtype(dtype).itemsize
    except TypeError:
        return None


@dataclass(frozen=True, slots=True)
class Operator:
    """One ONNX operator; `None` stands for an optional operand that was left out.

    `captured` are the values that the bodies of If, Loop and Scan read from outside.
    """

    name: str
    op: str
    domain: str
    inputs: tuple[Value | None, ...]
    outputs: tuple[Value | None, ...]
    captured: tuple[Value, ...] = ()
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    version: int = 0

    @property
    def reads(self) -> tuple[Value, ...]:
        """Every value that is read, each once: operands first, then captured values."""
        present = (value for value in (*self.inputs, *self.captured) if value is not None)
        return tuple({value.name: value for value in present}.values())

    @property
    def writes(self) -> tuple[Value, ...]:
        return tuple(value for value in self.outputs if value is not None)


@dataclass(frozen=True, slots=True)
class Node:
    """A cluster of operators that is placed as a whole.

    `inputs` are the values read from outside (weights apart, in `weights`), `outputs` those that
    others read; both in the order in which the operators name them.
    """

    name: str
    op: str
    operators: tuple[Operator, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    weights: tuple[Value, ...]
    flops: int

    @property
    def weight_bytes(self) -> int:
        return sum(weight.size_bytes for weight in self.weights)

    def __str__(self) -> str:
        reads = ", ".join(f"%{value.name}" for value in self.inputs)
        writes = ", ".join(map(str, self.outputs))
        return f"{writes} = {self.op}({reads})  # {self.name}"


@dataclass(frozen=True)
class Graph:
    """Nodes in topological order; `inputs` and `outputs` are those of the model.

    Raises ModelError where two nodes have one name, or one reads what nothing before it writes.
    """

    name: str
    nodes: tuple[Node, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]

    def __post_init__(self) -> None:
        known = {value.name for value in self.inputs}
        names: set[str] = set()
        for node in self.nodes:
            if node.name in names:
                raise ModelError("two nodes have this name", where=f"node {node.name}")
            names.add(node.name)
            for value in node.inputs:
                if value.name not in known:
                    raise ModelError(
                        f"reads {value.name!r} before anything has written it",
                        where=f"node {node.name} ({node.op})",
                        fix="sort the model's nodes topologically",
                    )
            known.update(value.name for value in node.outputs)

    @cached_property
    def node_named(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def producer(self) -> dict[str, int]:
        """The index of the node that writes each value; graph inputs have none."""
        return {
            value.name: index for index, node in enumerate(self.nodes) for value in node.outputs
        }

    @cached_property
    def users(self) -> dict[str, tuple[int, ...]]:
        """The indices of the nodes that read each value, ascending; values that no node reads are
        not in it."""
        users: dict[str, list[int]] = {}
        for index, node in enumerate(self.nodes):
            for value in node.inputs:
                users.setdefault(value.name, []).append(index)
        return {name: tuple(indices) for name, indices in users.items()}

    @property
    def values(self) -> tuple[Value, ...]:
        """Every value that passes between nodes or over the model's border, inputs first."""
        written = (value for node in self.nodes for value in node.outputs)
        return tuple({value.name: value for value in (*self.inputs, *written)}.values())

    @property
    def weights(self) -> tuple[Value, ...]:
        read = (weight for node in self.nodes for weight in node.weights)
        return tuple({weight.name: weight for weight in read}.values())

    def __str__(self) -> str:
        """All of it, as `parse` reads it."""
        from stagecut.compiler.ir.graph_text import graph_text  # which imports this module

        return graph_text(self)

    @classmethod
    def parse(cls, text: str) -> "Graph":
        """What `str` writes; raises ModelError, with the line, for what is none."""
        from stagecut.compiler.ir.graph_text import parse_graph

        return parse_graph(text)
