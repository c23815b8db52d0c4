"""One operator with typed operands: as an ONNX model, and as the node and stage of a device."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import onnx
import onnx_ir as ir
from onnx import helper

from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.device import StageProgram, Tensor
from stagecut.compiler.ir.graph import Node
from stagecut.compiler.ir.program import Program
from tests.support.operators.numbers import numbers

#: What an attribute may be: also an array, for a tensor.
Attribute: TypeAlias = int | float | str | Sequence[int] | Sequence[float] | Sequence[str] | Tensor

_IR_VERSION = 10


@dataclass(frozen=True, slots=True)
class Operand:
    """`fill` says what its numbers are (numbers.py), but for `values`, which are given; `dtype` is
    the only type that it may have, where there is one."""

    shape: tuple[int, ...]
    fill: str = "any"
    values: tuple[float | str | bool, ...] | None = None
    dtype: str = ""
    constant: bool = False

    def __str__(self) -> str:
        sizes = "x".join(map(str, self.shape))
        given = "" if self.fill == "any" else f" {self.fill}"
        if self.values is not None:
            given = "={" + ",".join(map(str, self.values)) + "}"
        return f"{'const ' if self.constant else ''}{self.dtype}[{sizes}]{given}"

    def array(self, data: str, seed: int) -> Tensor:
        """Its numbers in one set of data; a constant is the same in all."""
        if self.values is not None:
            kind = object if self.dtype == "string" else np.dtype(self.dtype)
            return np.asarray(self.values, kind).reshape(self.shape)
        return numbers(self.fill, "usual" if self.constant else data, self.dtype, self.shape, seed)


@dataclass(frozen=True, slots=True)
class Case:
    """`version` is the opset that its model imports; `None` is an operand or a result that is left
    out."""

    op: str
    version: int
    operands: tuple[Operand | None, ...]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    outputs: tuple[bool, ...] = (True,)

    def __str__(self) -> str:
        """Unique, and the same in every run."""
        operands = ", ".join("-" if each is None else str(each) for each in self.operands)
        told = "".join(f" {name}={_short(value)}" for name, value in self.attributes.items())
        some = "" if self.outputs == (True,) else f" -> {sum(self.outputs)}"
        return f"{self.op}-{self.version}({operands}){told}{some}"

    @property
    def fed(self) -> dict[str, Operand]:
        """The operands that are no constants, by name."""
        return {
            f"x{at}": each
            for at, each in enumerate(self.operands)
            if each is not None and not each.constant
        }

    @property
    def data(self) -> tuple[str, ...]:
        """The sets of data that it can be fed with."""
        free = [each for each in self.fed.values() if each.fill == "any" and each.values is None]
        sets = ["usual"]
        if any(each.dtype.startswith(("float", "bfloat")) for each in free):
            sets += ["zero", "small", "large", "ends", "masked", "infinite", "nan"]
        elif any("int" in each.dtype for each in free):
            sets += ["zero", "whole", "large"]
        return tuple(sets)

    def feeds(self, data: str) -> dict[str, Tensor]:
        return {
            name: operand.array(data, seed) for seed, (name, operand) in enumerate(self.fed.items())
        }

    def model(self) -> onnx.ModelProto:
        """Its results are declared without types."""
        names = ["" if each is None else f"x{at}" for at, each in enumerate(self.operands)]
        results = [f"y{at}" if there else "" for at, there in enumerate(self.outputs)]
        node = helper.make_node(self.op, names, results, "node")
        node.attribute.extend(_attribute(name, each) for name, each in self.attributes.items())
        graph = helper.make_graph(
            [node],
            "case",
            [
                helper.make_tensor_value_info(name, element_type(each.dtype), each.shape)
                for name, each in self.fed.items()
            ],
            [helper.make_empty_tensor_value_info(name) for name in results if name],
            [
                _tensor(each.array("usual", 100 + at), each.dtype, f"x{at}")
                for at, each in enumerate(self.operands)
                if each is not None and each.constant
            ],
        )
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", self.version)],
            ir_version=_IR_VERSION,
        )


def check(model: onnx.ModelProto) -> None:
    """Raises onnx.checker.ValidationError where the model's node is none of its version."""
    own = type(onnx.checker.DEFAULT_CONTEXT)()
    own.ir_version = model.ir_version
    own.opset_imports = {each.domain: each.version for each in model.opset_import}
    onnx.checker.check_node(model.graph.node[0], own)


@dataclass(frozen=True, slots=True)
class Result:
    """What is known of an output before anything runs; `shape` is that of a run where it depends on
    data, which then is not `known`."""

    dtype: str
    shape: tuple[int, ...]
    known: bool = True


def inferred(model: onnx.ModelProto) -> tuple[Result, ...] | None:
    """The results by ONNX's own shape inference; None where that does not know them all."""
    try:
        typed = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except Exception:  # it has several errors of its own
        return None
    results = []
    for port in typed.graph.output:
        kind = port.type.tensor_type
        sizes = [dim.dim_value for dim in kind.shape.dim if dim.HasField("dim_value")]
        if not (kind.elem_type and kind.HasField("shape")) or len(sizes) != len(kind.shape.dim):
            return None
        results.append(Result(_dtype(kind.elem_type), tuple(sizes)))
    return tuple(results)


def placed(
    model: onnx.ModelProto, results: Sequence[Result], *, opened: bool = False
) -> tuple[Node, StageProgram]:
    """The model's one node as the planner sees it, and the stage of it.

    With `opened`, the stage does not know the sizes of its inputs.
    """
    typed = onnx.ModelProto()
    typed.CopyFrom(model)
    for port, result in zip(typed.graph.output, results, strict=True):
        sizes = result.shape if result.known else [None] * len(result.shape)
        kind = element_type(result.dtype)
        port.CopyFrom(helper.make_tensor_value_info(port.name, kind, sizes))
    names = [port.name for port in typed.graph.output]
    measured = {name: result.shape for name, result in zip(names, results, strict=True)}
    program = Program("case", ir.from_proto(typed), {}, "", measured)
    graph = graph_of(program)
    if opened:
        for port in (*typed.graph.input, *typed.graph.output):
            for dim in port.type.tensor_type.shape.dim:
                dim.Clear()
    stage = ir.from_proto(typed) if opened else program.model
    return graph.nodes[0], StageProgram("case", stage, graph.inputs, graph.outputs)


def element_type(dtype: str) -> int:
    """ONNX's number for a type by numpy's name."""
    return int(ir.DataType.STRING if dtype == "string" else ir.DataType.from_numpy(np.dtype(dtype)))


def _dtype(element: int) -> str:
    kind = ir.DataType(element)
    return "string" if kind == ir.DataType.STRING else str(kind.numpy().name)


def _tensor(array: Tensor, dtype: str, name: str) -> onnx.TensorProto:
    if dtype == "string":
        return helper.make_tensor(name, onnx.TensorProto.STRING, array.shape, list(array.flat))
    return ir.to_proto(ir.Tensor(array, name=name))


def _attribute(name: str, value: Attribute) -> onnx.AttributeProto:
    if isinstance(value, np.ndarray):
        value = ir.to_proto(ir.Tensor(value, name=name))
    return helper.make_attribute(name, value)


def _short(value: Attribute) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.tolist()}"
    return str(list(value)) if isinstance(value, tuple | list) else str(value)
