"""Families of random operators that compute."""

from typing import Any

import numpy as np
from onnx import helper

from tests.support.fuzzed_grower import Grower, Known, Nothing

_UNARY = (
    *("Relu", "Neg", "Abs", "Exp", "Sigmoid", "Tanh", "Sqrt", "Log", "Erf", "Floor", "Ceil"),
    *("Round", "Sign", "Sin", "Cos", "Reciprocal", "Softplus", "Softsign", "Elu", "LeakyRelu"),
    *("Selu", "HardSigmoid", "HardSwish", "Mish", "Gelu", "ThresholdedRelu", "Celu", "IsNaN"),
    *("IsInf", "Identity", "Atan", "Sinh", "Cosh", "Tan", "Asinh", "GlobalAveragePool"),
    "GlobalMaxPool",
)
_BINARY = (
    *("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Equal", "Less", "Greater"),
    *("LessOrEqual", "GreaterOrEqual", "PRelu", "Mod"),
)
_REDUCE = ("Sum", "Mean", "Max", "Min", "Prod", "SumSquare", "L1", "L2", "LogSum", "LogSumExp")


def add_unary(g: Grower) -> None:
    op = g.one(_UNARY)
    x = g.numbers() if op in {"Relu", "Neg", "Abs", "Sign", "Identity"} else g.floats()
    g.add(op, [x])


def add_binary(g: Grower) -> None:
    x, op = g.numbers(), g.one(_BINARY)
    more = {"fmod": 1} if op == "Mod" and x.array.dtype.kind == "f" else {}
    y = g.like(x)
    if op == "PRelu" and np.broadcast_shapes(x.array.shape, y.array.shape) != x.array.shape:
        raise Nothing  # ONNX Runtime computes it, of a shape that it does not infer
    if op in {"Div", "Mod"} and x.array.dtype.kind in "iu":
        y = g.weight(np.asarray(3, x.array.dtype))
    g.add(op, [x, y] if g.chance(0.7) or op in {"Div", "Mod", "PRelu"} else [y, x], **more)


def add_logic(g: Grower) -> None:
    x = g.pick(lambda v: v.kind == "bool")
    op = g.one(("And", "Or", "Xor", "Not", "Equal"))
    g.add(op, [x] if op == "Not" else [x, g.like(x)])


def add_variadic(g: Grower) -> None:
    x = g.floats()
    g.add(g.one(("Sum", "Mean", "Max", "Min")), [x, *(g.like(x) for _ in range(2))])


def _full(g: Grower) -> Known:
    """Of nothing, ONNX Runtime's reductions return other shapes than it infers."""
    return g.pick(lambda v: v.array.dtype.kind in "fiu" and v.array.ndim > 0 and v.array.size > 0)


def add_reduce(g: Grower) -> None:
    x, op = _full(g), f"Reduce{g.one(_REDUCE)}"
    axes, keep = g.axes(x), {"keepdims": int(g.chance(0.5))}
    if g.opset >= 18 or (op == "ReduceSum" and g.opset >= 13):
        noop = {"noop_with_empty_axes": 1} if g.chance(0.2) else {}
        g.add(op, [x, g.ints(axes)] if g.chance(0.8) else [x], **keep, **noop)
    else:
        g.add(op, [x], **keep, **({"axes": axes} if axes else {}))


def add_arg(g: Grower) -> None:
    x = _full(g)
    more = {"select_last_index": int(g.chance(0.3))} if g.opset >= 12 else {}
    g.add(g.one(("ArgMax", "ArgMin")), [x], axis=g.axis(x), keepdims=int(g.chance(0.5)), **more)


def add_softmax(g: Grower) -> None:
    x = g.floats(1)
    more = {"axis": g.axis(x)} if g.chance(0.7) else {}
    g.add(g.one(("Softmax", "LogSoftmax", "Hardmax", "LpNormalization")), [x], **more)


def add_norm(g: Grower) -> None:
    x = g.floats(2)
    kind, shape = x.kind, x.array.shape
    channels = [g.weight(abs(g.array(kind, (shape[1],))) + 1) for _ in range(4)]
    op = g.one(("BatchNormalization", "InstanceNormalization", "LayerNormalization", "LRN"))
    if op == "BatchNormalization":
        g.add(op, [x, *channels])
    elif op == "InstanceNormalization":
        g.add(op, [x, *channels[:2]])
    elif op == "LRN":
        g.add(op, [x], size=int(g.one((1, 3, 5))))
    else:
        axis = int(g.rng.integers(len(shape)))
        inner = [g.weight(g.array(kind, shape[axis:])) for _ in range(2)]
        g.add(op, [x, *inner[: g.one((1, 2))]], axis=axis - (len(shape) if g.chance(0.5) else 0))


def add_matmul(g: Grower) -> None:
    x = g.floats(1)
    if g.chance(0.3):
        x = g.floats(2)
        n = int(g.rng.integers(1, 4))
        flags = {"transA": int(g.chance(0.3)), "transB": int(g.chance(0.5))}
        k = x.array.shape[0 if flags["transA"] else 1]
        w = g.weight(g.array(x.kind, (n, k) if flags["transB"] else (k, n)))
        more = [g.weight(g.array(x.kind, (n,)))] if g.chance(0.5) else []
        g.add("Gemm", [x, w, *more], alpha=float(g.one((1.0, 0.5))), **flags)
    else:
        batch = x.array.shape[:-2] if g.chance(0.3) else ()
        g.add("MatMul", [x, g.weight(g.array(x.kind, (*batch, x.array.shape[-1], 3)))])


def add_conv(g: Grower) -> None:
    x = g.pick(lambda v: v.array.dtype.kind == "f" and v.array.ndim in {3, 4} and v.array.size > 0)
    spatial, channels = x.array.ndim - 2, x.array.shape[1]
    kernel = [int(g.one((1, 2, 3))) for _ in range(spatial)]
    more: dict[str, Any] = {"strides": [int(g.one((1, 2))) for _ in range(spatial)]}
    if g.chance(0.5):
        more["pads"] = [int(g.rng.integers(0, 2)) for _ in range(2 * spatial)]
    elif g.chance(0.5):
        more["auto_pad"] = g.one(("SAME_UPPER", "SAME_LOWER", "VALID"))
    op = g.one(("Conv", "Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool"))
    if op == "Conv":
        if g.chance(0.3):
            more["dilations"] = [int(g.one((1, 2))) for _ in range(spatial)]
        groups = channels if g.chance(0.3) else 1
        w = g.weight(g.array(x.kind, (2 * groups, channels // max(groups, 1), *kernel)))
        bias = [g.weight(g.array(x.kind, (2 * groups,)))] if g.chance(0.5) else []
        g.add(op, [x, w, *bias], group=groups, **more)
    elif op == "ConvTranspose":
        g.add(op, [x, g.weight(g.array(x.kind, (channels, 2, *kernel)))], **more)
    else:
        if g.chance(0.4) and op != "LpPool":
            more["ceil_mode"] = 1
        if op == "AveragePool":
            more["count_include_pad"] = int(g.chance(0.4))
        count = 2 if op == "MaxPool" and g.chance(0.2) else 1
        g.add(op, [x], count, kernel_shape=kernel, **more)


def add_clip(g: Grower) -> None:
    x = g.numbers()
    low, high = (g.weight(np.asarray(n, x.array.dtype)) for n in (0, 2))
    g.add("Clip", g.one(([x, low, high], [x, None, high], [x, low], [x])))


def add_topk(g: Grower) -> None:
    x = g.numbers(1)
    axis = g.axis(x)
    k = int(g.rng.integers(0, x.array.shape[axis] + 1))
    g.add("TopK", [x, g.ints([k])], 2, axis=axis, largest=int(g.chance(0.7)))


def add_cumsum(g: Grower) -> None:
    x = g.numbers(1)
    flags = {"exclusive": int(g.chance(0.3)), "reverse": int(g.chance(0.3))}
    g.add("CumSum", [x, g.weight(np.asarray(g.axis(x), np.int64))], **flags)


def add_cast(g: Grower) -> None:
    x = g.pick(lambda v: v.kind != "string")
    kind = g.one(("float32", "float16", "float64", "int64", "int32", "uint8", "bool"))
    if x.array.dtype.kind == "f" and np.dtype(kind).kind in "iu":
        finite = np.isfinite(x.array).all() and (abs(x.array) < 100).all()
        if not finite or (kind == "uint8" and (x.array < 0).any()):
            raise Nothing  # what comes out is not said by ONNX
    g.add("Cast", [x], to=int(helper.np_dtype_to_tensor_dtype(np.dtype(kind))))


def add_quantise(g: Grower) -> None:
    x = g.pick(lambda v: v.kind == "float32")
    scale, zero = g.weight(np.float32(0.1)), g.weight(np.asarray(3, g.one((np.uint8, np.int8))))
    if g.chance(0.3):
        g.add("DynamicQuantizeLinear", [x], 3)
        return
    g.add("QuantizeLinear", [x, scale, zero])
    g.add("DequantizeLinear", [g.known[-1], scale, zero])


def add_resize(g: Grower) -> None:
    x = g.pick(lambda v: v.kind == "float32" and v.array.ndim == 4)
    scales = np.asarray([1, 1, g.one((1, 2, 0.5)), g.one((1, 2, 1.5))], np.float32)
    modes = {
        "mode": g.one(("nearest", "linear")),
        "coordinate_transformation_mode": g.one(("half_pixel", "asymmetric", "align_corners")),
        "nearest_mode": g.one(("floor", "round_prefer_floor")),
    }
    roi = None if g.opset >= 13 else g.weight(np.zeros(0, np.float32))
    g.add("Resize", [x, roi, g.weight(scales)], **modes)


def add_recurrent(g: Grower) -> None:
    x = g.pick(lambda v: v.kind == "float32" and v.array.ndim == 3 and v.array.size > 0)
    size = x.array.shape[2]
    op, gates = g.one((("LSTM", 4), ("GRU", 3), ("RNN", 1)))
    way, ways = g.one((("forward", 1), ("reverse", 1), ("bidirectional", 2)))
    w = g.weight(g.array("float32", (ways, gates * 2, size)))
    r = g.weight(g.array("float32", (ways, gates * 2, 2)))
    g.add(op, [x, w, r], int(g.one((1, 2))), hidden_size=2, direction=way)
