"""Operators as work for a PIM device of any kind, or the reason why no PIM device can run them.

Product      [rows, inner] x [inner, outer], where the right factor is a weight in the memory
StateProduct the same for each head, where the right factor is a state in the memory
Elementwise  one pass over numbers that lie in the memory
nothing      a view, such as Reshape: row-major data stay where they are; and what only makes a
             state longer, or looks at it in another layout: it lies as its products read it
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from stagecut.backends.views import VIEWS
from stagecut.compiler.ir.graph import Operator, Value

Kind: TypeAlias = Literal[
    "add", "sub", "mul", "batchnorm", "relu", "leakyrelu", "sigmoid", "tanh", "gelu"
]


@dataclass(frozen=True, slots=True)
class Product:
    """[rows, inner] x [inner, outer]; each row of the activation is a matrix-vector product.

    `transposed` says that the model holds the weight as [outer, inner].
    """

    rows: int
    inner: int
    outer: int
    transposed: bool = False


@dataclass(frozen=True, slots=True)
class StateProduct:
    """`of_head`, for each of `heads`; `is_sum_of_rows` where its inner dimension is the length of
    the state, so that each number of a new row belongs to another output."""

    of_head: Product
    heads: int
    is_sum_of_rows: bool


@dataclass(frozen=True, slots=True)
class LaidOut:
    """An operand that has to be laid out in the memory in the shape of the result.

    That is a weight (`constant`), laid out when it is loaded, or an activation that is smaller than
    the result, laid out each time that the operator runs. `shape` is the operand's own; it is
    repeated (broadcast) to the shape of the result.
    """

    shape: tuple[int, ...]
    constant: bool

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Elementwise:
    """One pass of `kind`; `shape` is that of the result.

    `laid_out` are the operands that are not already in the memory in that shape.
    """

    kind: Kind
    shape: tuple[int, ...]
    laid_out: tuple[LaidOut, ...] = ()

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def operands(self) -> int:
        return 2 if self.kind in {"add", "sub", "mul"} else 1


Work: TypeAlias = Product | StateProduct | Elementwise


class UnsupportedError(Exception):
    """The operator cannot be run in memory; the message is the reason."""


def work_of(operator: Operator) -> tuple[Work, ...]:
    """The work that `operator` is made of, in order. Raises UnsupportedError."""
    read = _READERS.get(operator.op) if operator.domain in {"", "ai.onnx"} else None
    if read is None:
        raise UnsupportedError("there is no in-memory kernel for it")
    for value in (*_data(operator), *operator.writes):
        if value.dtype != "float32":
            raise UnsupportedError(
                f"{value.name} is {value.dtype}; only float32 is held in 16 bits"
            )
        if not value.elements:
            raise UnsupportedError(f"{value.name} is empty")
    return read(operator)


def _matmul(operator: Operator) -> tuple[Work, ...]:
    activation, weight = _operands(operator)
    if weight.grows is not None and len(weight.shape) >= 2:
        return (_with_state(activation, weight),)
    _refuse_misplaced_weight(activation, weight)
    if math.prod(weight.shape[:-2]) != 1:
        raise UnsupportedError(f"the weight is a stack of {math.prod(weight.shape[:-2])} matrices")
    inner = activation.shape[-1]
    rows = activation.elements // inner
    return (Product(rows, inner, operator.writes[0].elements // rows),)


def _with_state(activation: Value, state: Value) -> StateProduct:
    heads, (inner, outer) = math.prod(state.shape[:-2]), state.shape[-2:]
    product = Product(activation.elements // inner // heads, inner, outer)
    return StateProduct(product, heads, state.grows == len(state.shape) - 2)


def _state(operator: Operator) -> tuple[Work, ...]:
    """One that becomes longer, or is looked at in another layout."""
    if operator.writes[0].grows is None:
        raise UnsupportedError("there is no in-memory kernel for it")
    return ()


def _gemm(operator: Operator) -> tuple[Work, ...]:
    activation, weight = _operands(operator)
    _refuse_misplaced_weight(activation, weight)
    if operator.attributes.get("transA", 0):
        raise UnsupportedError("the activation is transposed, which moves every number of it")
    rows, inner = activation.shape
    outer = operator.writes[0].elements // rows
    product = Product(rows, inner, outer, bool(operator.attributes.get("transB", 0)))
    bias = operator.inputs[2] if len(operator.inputs) > 2 else None
    if bias is None:
        return (product,)
    if not bias.constant and operator.attributes.get("beta", 1.0) != 1.0:
        raise UnsupportedError("beta scales an activation; it can only be folded into a weight")
    return product, _pass("add", operator.writes[0], bias)


def _add(operator: Operator) -> tuple[Work, ...]:
    return (_two_operands("add", operator),)


def _sub(operator: Operator) -> tuple[Work, ...]:
    """A subtrahend that is a weight is negated when it is loaded, and then added."""
    subtrahend = _operands(operator)[1]
    return (_two_operands("add" if subtrahend.constant else "sub", operator),)


def _mul(operator: Operator) -> tuple[Work, ...]:
    return (_two_operands("mul", operator),)


def _batchnorm(operator: Operator) -> tuple[Work, ...]:
    if operator.attributes.get("training_mode", 0):
        raise UnsupportedError("in training mode it depends on the whole batch")
    if not all(value.constant for value in operator.inputs[1:] if value is not None):
        raise UnsupportedError("its scale, bias, mean and variance have to be weights")
    return (_pass("batchnorm", operator.writes[0]),)


def _view(operator: Operator) -> tuple[Work, ...]:
    for shape in operator.inputs[1:]:
        if shape is not None and not shape.constant:
            raise UnsupportedError(f"its shape, {shape.name}, is computed while the model runs")
    return ()


def _one_operand(kind: Kind) -> "_Reader":
    return lambda operator: (_pass(kind, operator.writes[0]),)


_Reader: TypeAlias = Callable[[Operator], tuple[Work, ...]]

#: Operator that some PIM device can run -> the function that turns it into work.
_READERS: Mapping[str, _Reader] = {
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Add": _add,
    "Sub": _sub,
    "Mul": _mul,
    "BatchNormalization": _batchnorm,
    "Relu": _one_operand("relu"),
    "LeakyRelu": _one_operand("leakyrelu"),
    "Sigmoid": _one_operand("sigmoid"),
    "Tanh": _one_operand("tanh"),
    "Gelu": _one_operand("gelu"),
    "Concat": _state,
    "Transpose": _state,
    **dict.fromkeys(VIEWS, _view),
}


def _two_operands(kind: Kind, operator: Operator) -> Elementwise:
    operands = _operands(operator)
    if all(operand.constant for operand in operands):
        raise UnsupportedError("both operands are weights")
    return _pass(kind, operator.writes[0], *operands)


def _pass(kind: Kind, result: Value, *operands: Value) -> Elementwise:
    laid_out = (
        LaidOut(operand.shape, operand.constant)
        for operand in operands
        if operand.constant or operand.elements != result.elements
    )
    return Elementwise(kind, result.shape, tuple(laid_out))


def _refuse_misplaced_weight(activation: Value, weight: Value) -> None:
    if activation.constant and weight.constant:
        raise UnsupportedError("both factors are weights")
    if activation.constant:
        raise UnsupportedError(
            "no weight operand: the weight is the left factor; only the right one is laid out"
        )
    if not weight.constant:
        raise UnsupportedError("no weight operand: both factors are activations")


def _operands(operator: Operator) -> tuple[Value, Value]:
    first, second = (value for value in operator.inputs[:2] if value is not None)
    return first, second


def _data(operator: Operator) -> tuple[Value, ...]:
    """The operands that hold data, as opposed to the shape of a view."""
    is_view = _READERS[operator.op] is _view
    operands = operator.inputs[:1] if is_view else operator.inputs
    return tuple(value for value in operands if value is not None)
