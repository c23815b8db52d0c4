"""One ONNX operator by itself, on operands of given shapes: what `stagecut estimate` asks about."""

from collections.abc import Sequence

import onnx

from stagecut.compiler.ir.errors import ShapeError, UsageError
from stagecut.compiler.ir.graph import Operator, Value

#: Operator -> indices of the operands that are weights.
_WEIGHTS = {
    "MatMul": (1,),
    "Gemm": (1, 2),
    "BatchNormalization": (1, 2, 3, 4),
    "LayerNormalization": (1, 2),
}


def one_operator(op: str, shapes: Sequence[tuple[int, ...]]) -> Operator:
    """`op`, without attributes, on operands of `shapes`; its result has the shape that ONNX infers.

    Raises UsageError where ONNX has no such operator, and ShapeError for shapes that do not fit
    together.
    """
    if not onnx.defs.has(op):
        raise UsageError(
            f"ONNX has no operator {op!r}", where="OP", fix="names are case-sensitive, e.g. MatMul"
        )
    names = [f"operand {index}" for index in range(len(shapes))]
    floats = onnx.TensorProto.FLOAT
    inputs = [
        onnx.helper.make_tensor_value_info(name, floats, shape)
        for name, shape in zip(names, shapes, strict=True)
    ]
    result = onnx.helper.make_tensor_value_info("result", floats, None)
    node = onnx.helper.make_node(op, names, ["result"])
    model = onnx.helper.make_model(onnx.helper.make_graph([node], op, inputs, [result]))
    try:
        onnx.checker.check_node(node)
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise _misfit(op, shapes, _last_line(error)) from None
    if op == "Attention" and not _is_attention(*shapes[:3]):
        raise _misfit(op, shapes, "keys and values, or queries and keys, are of different sizes")
    sizes = [dim.dim_value for dim in inferred.graph.output[0].type.tensor_type.shape.dim]
    output = Value("result", "float32", tuple(sizes))
    values = tuple(
        Value(name, "float32", shape, index in _WEIGHTS.get(op, ()))
        for index, (name, shape) in enumerate(zip(names, shapes, strict=True))
    )
    return Operator(op, op, "", values, (output,))


def _is_attention(query: tuple[int, ...], key: tuple[int, ...], value: tuple[int, ...]) -> bool:
    """What ONNX's inference does not look at: sizes of four dimensions each, or three alike."""
    if {len(query), len(key), len(value)} != {4}:
        return len(query) == len(key) == len(value)
    return (query[0], query[3]) == (key[0], key[3]) and key[:3] == value[:3]


def _misfit(op: str, shapes: Sequence[tuple[int, ...]], reason: str) -> ShapeError:
    return ShapeError(
        f"{op} does not take {len(shapes)} operands of these shapes: {reason}",
        where="--shape",
        fix=f"give one --shape for each operand of {op}",
    )


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1]
