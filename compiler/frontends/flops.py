"""How many floating-point operations an operator performs, from its definition.

A multiplication and an addition count as one each, so that a product of m x k by k x n counts 2mnk,
as in LAPACK Working Note 41, appendix C. Every other operator counts one per element that it
computes, an Exp like an Add. Moving numbers counts nothing, and neither does control flow, as it is
not known how often its bodies run.
"""

import math
from collections.abc import Callable, Mapping

from stagecut.compiler.ir.errors import ModelError
from stagecut.compiler.ir.graph import Operator, Value

_FREE = """
    Cast CastLike Compress Concat ConcatFromSequence Constant ConstantOfShape DepthToSpace Expand
    EyeLike Flatten Gather GatherElements GatherND Identity If Loop NonZero OneHot Optional
    OptionalGetElement OptionalHasElement Pad Reshape ReverseSequence Scan Scatter ScatterElements
    ScatterND SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert
    SequenceLength Shape Size Slice SpaceToDepth Split SplitToSequence Squeeze Tile Transpose Trilu
    Unique Unsqueeze
"""
_FREE_OPERATORS = frozenset(_FREE.split())


def flops(operator: Operator) -> int:
    """Floating-point operations of one run of `operator`; ModelError if it lacks an operand."""
    if operator.op in _FREE_OPERATORS:
        return 0
    if operator.op.startswith(("Reduce", "Arg", "Global")):
        return _operand(operator, 0).elements
    kind = f"{operator.domain}.{operator.op}" if operator.domain else operator.op
    return _FORMULAS.get(kind, _written)(operator)


def _operand(operator: Operator, index: int) -> Value:
    value = operator.inputs[index] if index < len(operator.inputs) else None
    if value is None:
        raise ModelError(
            f"operand {index} is missing",
            where=f"node {operator.name} ({operator.op})",
            fix="export the model again",
        )
    return value


def _written(operator: Operator) -> int:
    return sum(value.elements for value in operator.writes if value.portable)


def _matmul(operator: Operator) -> int:
    """A: [..., m, k], B: [..., k, n]."""
    axis = -2 if operator.attributes.get("transA") else -1
    return 2 * _operand(operator, 0).shape[axis] * _written(operator)


def _gemm(operator: Operator) -> int:
    """A: [m, k], B: [k, n]; C, where there is one, is added."""
    return _matmul(operator) + (_written(operator) if len(operator.inputs) > 2 else 0)


def _convolution(operator: Operator, filters: int = 1) -> int:
    """W: [outputs, inputs / groups, kernel...]; an element written takes one filter's products."""
    w = _operand(operator, filters)
    return 2 * _written(operator) * math.prod(w.shape[1:])


def _quantized_convolution(operator: Operator) -> int:
    return _convolution(operator, filters=3)


def _transposed_convolution(operator: Operator) -> int:
    """W: [inputs, outputs / groups, kernel...]; an element read goes into one filter's products."""
    w = _operand(operator, 1)
    return 2 * _operand(operator, 0).elements * math.prod(w.shape[1:])


def _pool(operator: Operator) -> int:
    """Each element written takes one operation for each number of its window."""
    window = operator.attributes["kernel_shape"]
    return math.prod(map(int, window)) * _written(operator) if isinstance(window, tuple) else 0


def _einsum(operator: Operator) -> int:
    """Each point of the space of all indices takes one product over the operands, and is added."""
    terms = str(operator.attributes["equation"]).replace(" ", "").split("->")[0].split(",")
    sizes: dict[str, int] = {}
    for index, term in enumerate(terms):
        shape = _operand(operator, index).shape
        letters = term.replace("...", "")
        broadcast = len(shape) - len(letters)
        named = term.replace("...", "".join(map(str, range(broadcast))))
        for letter, size in zip(named, shape, strict=True):
            sizes[letter] = max(size, sizes.get(letter, 0))
    return len(terms) * math.prod(sizes.values())


def _recurrent(operator: Operator) -> int:
    """X: [steps, batch, inputs]; each step multiplies by all of W and R."""
    steps, batch = _operand(operator, 0).shape[:2]
    return 2 * steps * batch * (_operand(operator, 1).elements + _operand(operator, 2).elements)


def _attention(operator: Operator) -> int:
    """Q: [..., queries, k], K: [..., keys, k]; QK' and its product with V, each 2mnk."""
    keys = _operand(operator, 1).shape[-2]
    return 2 * keys * (_operand(operator, 0).elements + operator.writes[0].elements)


_FORMULAS: Mapping[str, Callable[[Operator], int]] = {
    "MatMul": _matmul,
    "com.microsoft.FusedMatMul": _matmul,
    "MatMulInteger": _matmul,
    "QLinearMatMul": _matmul,
    "Gemm": _gemm,
    "Conv": _convolution,
    "com.microsoft.FusedConv": _convolution,
    "ConvInteger": _convolution,
    "QLinearConv": _quantized_convolution,
    "ConvTranspose": _transposed_convolution,
    "AveragePool": _pool,
    "LpPool": _pool,
    "MaxPool": _pool,
    "Einsum": _einsum,
    "LSTM": _recurrent,
    "GRU": _recurrent,
    "RNN": _recurrent,
    "Attention": _attention,
    "com.microsoft.MultiHeadAttention": _attention,
}
