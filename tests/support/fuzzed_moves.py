"""Families of random operators that move numbers, depend on sizes, or carry bodies."""

import numpy as np
import onnx
from onnx import helper

from tests.support.fuzzed_grower import FLOATS, Grower, Known, Nothing, code, tensor


def add_shape_of(g: Grower) -> None:
    """And what is made from it, so that shapes depend on shapes."""
    x = g.any()
    more = {"start": g.axis(x)} if g.opset >= 15 and g.chance(0.3) else {}
    g.add("Shape", [x], **more)
    if g.chance(0.5):
        shape = g.known[-1]
        value = tensor("value", g.array(g.one(FLOATS), (1,)))
        g.add("ConstantOfShape", [shape], value=value)
        if g.chance(0.5):
            g.add("Add", [g.known[-1], g.like(g.known[-1])])


def add_reshape(g: Grower) -> None:
    x = g.any()
    shape = list(x.array.shape)
    how = g.one(("flat", "same", "merge", "front", "zeros"))
    if how == "flat":
        shape = [-1]
    elif how == "merge" and len(shape) > 1:
        shape = [-1, *shape[2:]]
    elif how == "front":
        shape = [1, *shape]
    elif how == "zeros":
        shape = [0 if g.chance(0.4) else n for n in shape]
    g.add("Reshape", [x, g.ints(shape)])


def add_transpose(g: Grower) -> None:
    x = g.any(1)
    more = {"perm": [int(a) for a in g.rng.permutation(x.array.ndim)]} if g.chance(0.8) else {}
    g.add("Transpose", [x], **more)


def add_squeeze(g: Grower) -> None:
    x = g.any()
    op = g.one(("Squeeze", "Unsqueeze", "Flatten"))
    if op == "Flatten":
        g.add(op, [x], axis=int(g.rng.integers(-x.array.ndim, x.array.ndim + 1)))
        return
    rank = x.array.ndim + (op == "Unsqueeze")
    ones = [a for a in range(rank) if op == "Unsqueeze" or x.array.shape[a] == 1]
    axes = [int(a) for a in g.rng.permutation(ones)[: int(g.one((1, 1, 2)))]]
    if g.chance(0.3):
        axes = [a - (rank if op == "Squeeze" else x.array.ndim + len(axes)) for a in axes]
    if g.opset >= 13:
        g.add(op, [x, g.ints(axes)])
    elif axes:
        g.add(op, [x], axes=axes)


def add_slice(g: Grower) -> None:
    x = g.any(1)
    axis = g.axis(x)
    n = x.array.shape[axis]
    start, end = (int(v) for v in g.rng.integers(-n - 1, n + 2, 2))
    step = int(g.one((1, 1, 2, -1)))
    if g.chance(0.2):
        end = 2**63 - 1 if step > 0 else -(2**63)
    g.add("Slice", [x, *(g.ints([number]) for number in (start, end, axis, step))])


def add_gather(g: Grower) -> None:
    x = g.any(1)
    axis = g.axis(x)
    n = x.array.shape[axis]
    op = g.one(("Gather", "GatherElements", "GatherND"))
    if op == "GatherND":
        rows = g.rng.integers(-x.array.shape[0], max(x.array.shape[0], 1), (2, 1))
        g.add(op, [x, g.weight(np.asarray(rows, np.int64))])
        return
    shape = (
        x.array.shape if op == "GatherElements" else tuple(g.rng.integers(0, 3, g.one((0, 1, 2))))
    )
    kind = g.one((np.int64, np.int32))
    g.add(op, [x, g.weight(np.asarray(g.rng.integers(-n, max(n, 1), shape), kind))], axis=axis)


def add_scatter(g: Grower) -> None:
    x = g.numbers(1)
    n = x.array.shape[0]
    more = {"reduction": g.one(("none", "add", "mul"))} if g.opset >= 16 and g.chance(0.5) else {}
    if g.chance(0.5):
        rows = np.asarray(g.rng.permutation(n)[:2], np.int64)[:, None]
        updates = g.weight(g.array(x.kind, (len(rows), *x.array.shape[1:])))
        g.add("ScatterND", [x, g.weight(rows), updates], **more)
    else:
        if x.array.ndim != 1:
            raise Nothing
        index = g.weight(np.asarray(g.rng.permutation(n), np.int64))
        g.add("ScatterElements", [x, index, g.weight(g.array(x.kind, (n,)))], axis=0, **more)


def add_pad(g: Grower) -> None:
    x = g.numbers(1)
    pads = [int(v) for v in g.rng.integers(-1, 3, 2 * x.array.ndim)]
    mode = g.one(("constant", "constant", "reflect", "edge"))
    value = [g.weight(g.array(x.kind, ()))] if g.chance(0.4) else []
    g.add("Pad", [x, g.ints(pads), *value], mode=mode)


def add_split(g: Grower) -> None:
    x = g.any(1)
    axis = g.axis(x)
    n = x.array.shape[axis]
    first = int(g.rng.integers(0, n + 1))
    if g.opset >= 13:
        g.add("Split", [x, g.ints([first, n - first])], 2, axis=axis)
    else:
        g.add("Split", [x], 2, axis=axis, split=[first, n - first])


def add_concat(g: Grower) -> None:
    x = g.any(1)
    axis = g.axis(x)
    at = axis % x.array.ndim

    def fits(v: Known) -> bool:
        a, b = list(v.array.shape), list(x.array.shape)
        return (
            v.kind == x.kind and len(a) == len(b) and a[:at] + a[at + 1 :] == b[:at] + b[at + 1 :]
        )

    g.add("Concat", [x, *(g.pick(fits) for _ in range(g.one((1, 1, 2))))], axis=axis)


def add_expand(g: Grower) -> None:
    x = g.any()
    if g.chance(0.5):
        g.add("Expand", [x, g.ints([2, *(n if g.chance(0.7) else 1 for n in x.array.shape)])])
    else:
        g.add("Tile", [x, g.ints([int(g.one((1, 1, 2, 0))) for _ in x.array.shape])])


def add_by_data(g: Grower) -> None:
    """Sizes that depend on data."""
    op = g.one(("NonZero", "Compress", "Unique", "Range"))
    if op == "NonZero":
        g.add(op, [g.pick(lambda v: v.array.dtype.kind in "fiub" and v.array.ndim > 0)])
    elif op == "Compress":
        x = g.any(1)
        axis = g.axis(x)
        g.add(op, [x, g.weight(g.array("bool", (x.array.shape[axis],)))], axis=axis)
    elif op == "Unique":
        g.add(op, [g.pick(lambda v: v.kind in {"float32", "int64"})], int(g.one((1, 2, 4))))
    else:
        x = g.pick(lambda v: v.kind == "int64" and v.array.ndim == 0)
        zero, one = (g.weight(np.asarray(n, np.int64)) for n in (0, 1))
        g.add(op, [zero, x, one])


def add_texts(g: Grower) -> None:
    x = g.pick(lambda v: v.kind == "string")
    op = g.one(("Identity", "Equal", "StringConcat"))
    g.add(op, [x] if op == "Identity" else [x, g.like(x)])


def add_sequence(g: Grower) -> None:
    """Made and taken apart again: it cannot be handed back."""
    x = g.floats(1)
    name = f"s{len(g.nodes)}"
    inner = helper.make_node("SplitToSequence", [x.name], [name], axis=0, keepdims=1)
    out = f"v{len(g.known)}_0"
    outer = helper.make_node("ConcatFromSequence", [name], [out], axis=0)
    if x.array.shape[0] == 0:
        raise Nothing
    g.nodes += [inner, outer]
    g.known.append(Known(out, x.array))


def add_if(g: Grower) -> None:
    """On a flag that is computed, or that is a weight; branches read values from outside."""
    x = g.floats()
    y = g.like(x)
    if g.chance(0.5):
        flag = g.weight(g.array("bool", ()))
    else:
        flag = g.pick(lambda v: v.kind == "bool" and v.array.size == 1 and v.array.ndim == 0)
    branches = {}
    for branch in ("then_branch", "else_branch"):
        op = g.one(("Add", "Mul", "Sub", "Neg", "Tanh"))
        reads = [x.name] if op in {"Neg", "Tanh"} else [x.name, y.name]
        inner = [helper.make_node(op, reads, ["h"], name="n")]
        inner.append(helper.make_node(g.one(("Relu", "Abs", "Identity")), ["h"], ["r"], name="Add"))
        port = helper.make_tensor_value_info("r", code(x.array), None)
        branches[branch] = helper.make_graph(inner, branch, [], [port])
    node = helper.make_node("If", [flag.name], [f"v{len(g.known)}_0"], **branches)
    g.try_node(node, {v.name: v.array for v in (flag, x, y)})


def add_loop(g: Grower) -> None:
    """It adds a value from outside to one that it carries, and hands back every turn's."""
    x = g.pick(lambda v: v.kind == "float32")
    y = g.like(x)
    if y.array.shape != x.array.shape:
        y = x
    turns, go = g.ints([int(g.rng.integers(0, 4))]), g.weight(np.asarray(True))
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Add", ["state", y.name], ["following"]),
            helper.make_node("Neg", ["following"], ["seen"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", onnx.TensorProto.INT64, ()),
            helper.make_tensor_value_info("go", onnx.TensorProto.BOOL, ()),
            helper.make_tensor_value_info("state", onnx.TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("on", onnx.TensorProto.BOOL, ()),
            helper.make_tensor_value_info("following", onnx.TensorProto.FLOAT, None),
            helper.make_tensor_value_info("seen", onnx.TensorProto.FLOAT, None),
        ],
    )
    names = [f"v{len(g.known)}_{at}" for at in range(2)]
    node = helper.make_node("Loop", [turns.name, go.name, x.name], names, body=body)
    g.try_node(node, {v.name: v.array for v in (turns, go, x, y)})


def add_function(g: Grower) -> None:
    """A call of a function that stands in the model."""
    x = g.pick(lambda v: v.kind == "float32")
    if not g.functions:
        nodes = [helper.make_node("Relu", ["a"], ["h"]), helper.make_node("Add", ["h", "a"], ["b"])]
        opsets = [helper.make_opsetid("", g.opset)]
        g.functions.append(helper.make_function("own", "F", ["a"], ["b"], nodes, opsets))
    g.add("F", [x], domain="own")


def add_where(g: Grower) -> None:
    x = g.numbers()
    g.add("Less", [x, g.like(x)])
    flag = g.known[-1]
    g.add("Where", [flag, x, g.like(x)])


def add_others(g: Grower) -> None:
    x = g.numbers(2)
    op = g.one(("Trilu", "EyeLike", "OneHot", "DepthToSpace", "SpaceToDepth", "Dropout", "Einsum"))
    if op == "Trilu":
        g.add(op, [x], upper=int(g.chance(0.5)))
    elif op == "EyeLike":
        g.add(op, [x], k=int(g.one((0, 1, -1))))
    elif op == "OneHot":
        i = g.pick(lambda v: v.kind == "int64")
        g.add(op, [i, g.ints([3]), g.weight(g.array("float32", (2,)))], axis=int(g.one((-1, 0))))
    elif op == "Dropout":
        g.add(op, [g.floats()], int(g.one((1, 2))))
    elif op == "Einsum":
        y = g.floats(2)
        g.add(op, [y, y], equation="...ij,...ij->...i")
    else:
        g.add(op, [g.floats(4)], blocksize=2)
