"""Let values go from host to host in fewer bytes: coded where they are made, decoded where they are
read.

    fp16    c = Cast(v, float16)                                  d = Cast(c, float32)
    int8    s = max |v| of a row / 127 + tiny                     d = Cast(c, float32) * s
            c = Cast(Round(v / s), int8)

Those that read v at the other host read d; all others still read v.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import onnx_ir as ir

from stagecut.compiler.ir.graph import Value
from stagecut.compiler.ir.program import Program
from stagecut.passes.rewrite.redirect import redirect

Coding: TypeAlias = Literal["fp16", "int8"]
CODINGS: tuple[Coding, ...] = ("fp16", "int8")

#: The largest number of int8, and what keeps a row of zeros from being divided by.
_MOST, _TINY = 127.0, 1e-30

#: The opset from which on ReduceMax has axes as an input.
_AXES_ARE_INPUTS = 18


@dataclass(frozen=True, slots=True)
class Coded:
    """`value` is coded for the operators of these names, which one other host runs."""

    value: str
    coding: Coding
    readers: tuple[str, ...]


def coded_sizes(value: Value, coding: Coding) -> tuple[int, ...]:
    """The bytes of each value that goes over the wire in the place of a float32 one: for int8 there
    is one of scales, one for each row."""
    if coding == "fp16":
        return (value.elements * 2,)
    return value.elements, 4 * (value.elements // (value.shape[-1] or 1))


def can_be_coded(value: Value, coding: Coding) -> bool:
    return value.dtype == "float32" and (coding == "fp16" or bool(value.shape and value.shape[-1]))


def with_codings(program: Program, codings: Sequence[Coded]) -> tuple[Program, frozenset[str]]:
    """The program, and the names of the values that go over the wire in it, or are decoded."""
    if not codings:
        return program, frozenset()
    model = program.model.clone()
    wire: set[str] = set()
    for number, each in enumerate(codings):
        wire |= _code(model.graph, each, number)
    return replace(program, model=model), frozenset(wire)


def _code(graph: ir.Graph, each: Coded, number: int) -> set[str]:
    """The names of what goes over the wire, and of what comes out of it."""
    value = next(out for node in graph for out in node.outputs if out.name == each.value)
    readers = {node for node in graph if node.name in each.readers}
    writer = _Writer(graph, value.producer(), f"{each.value}/{each.coding}/{number}")
    sent, decoded = (_fp16 if each.coding == "fp16" else _int8)(writer, value)
    redirect(value, readers, decoded)
    return {str(one.name) for one in (*sent, decoded)}


def _fp16(write: "_Writer", value: ir.Value) -> tuple[list[ir.Value], ir.Value]:
    sent = write("Cast", [value], ir.DataType.FLOAT16, value.shape, to=ir.DataType.FLOAT16.value)
    return [sent], write("Cast", [sent], ir.DataType.FLOAT, value.shape, to=ir.DataType.FLOAT.value)


def _int8(write: "_Writer", value: ir.Value) -> tuple[list[ir.Value], ir.Value]:
    float32, shape = ir.DataType.FLOAT, value.shape
    row = None if shape is None else ir.Shape([*shape[:-1], 1])
    sizes = write("Abs", [value], float32, shape)
    if write.opset < _AXES_ARE_INPUTS:
        most = write("ReduceMax", [sizes], float32, row, axes=[-1], keepdims=1)
    else:
        axes = write.constant("axes", np.array([-1], np.int64))
        most = write("ReduceMax", [sizes, axes], float32, row, keepdims=1)
    scaled = write("Div", [most, write.constant("most", np.float32(_MOST))], float32, row)
    scale = write("Max", [scaled, write.constant("tiny", np.float32(_TINY))], float32, row)
    whole = write("Round", [write("Div", [value, scale], float32, shape)], float32, shape)
    sent = write("Cast", [whole], ir.DataType.INT8, shape, to=ir.DataType.INT8.value)
    back = write("Cast", [sent], float32, shape, to=float32.value)
    return [sent, scale], write("Mul", [back, scale], float32, shape)


class _Writer:
    """Adds operators, each behind the one before."""

    def __init__(self, graph: ir.Graph, after: ir.Node | None, prefix: str) -> None:
        if after is None:
            raise AssertionError("a value that is coded is made by an operator")
        self._graph, self._after, self._prefix = graph, after, prefix
        self._count = 0
        self.opset = graph.opset_imports.get("", _AXES_ARE_INPUTS)

    def __call__(
        self,
        op: str,
        inputs: Sequence[ir.Value],
        dtype: ir.DataType,
        shape: ir.Shape | None,
        **attributes: int | list[int],
    ) -> ir.Value:
        name = f"{self._prefix}/{op}.{self._count}"
        self._count += 1
        node = ir.node(op, [*inputs], attributes or None, name=name)
        [result] = node.outputs
        result.name, result.type, result.shape = f"{name}/out", ir.TensorType(dtype), shape
        self._graph.insert_after(self._after, node)
        self._after = node
        return result

    def constant(self, what: str, number: "np.ndarray[Any, Any] | np.generic") -> ir.Value:
        name = f"{self._prefix}/{what}"
        value = ir.val(name, const_value=ir.tensor(np.asarray(number), name=name))
        self._graph.register_initializer(value)
        return value
