"""Rotary positions as one operator of ONNX Runtime's own, in the place of six for each layer's
queries and keys.

x [1, heads, rows, 2 h], c = Cos(Concat(f, f)), s = Sin(Concat(f, f)), both [1, 1, rows, 2 h]:

    low, high = x[..., :h], x[..., h:]
    turned = Concat(Neg(high), low)        >    y = RotaryEmbedding(x, 0, c[0, 0, :, :h],
    y = x * c + turned * s                                                s[0, 0, :, :h])

RoFormer, arXiv:2104.09864, section 3.4.2; the halves of a head are turned, as in GPT-NeoX.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from stagecut.compiler.ir.device import StageProgram

_CONTRIB, _CONTRIB_VERSION = "com.microsoft", 1

#: Where a slice ends that goes to the end: this or more.
_END = 2**31 - 1

#: Between these versions of ONNX the operators of the pattern take what they do here.
_SINCE = 13


@dataclass(frozen=True, slots=True)
class _Rotation:
    """`output` is `x` turned by angles whose cosines and sines these are."""

    output: ir.Value
    x: ir.Value
    cosines: ir.Value
    sines: ir.Value


def with_rotations(stage: StageProgram) -> StageProgram:
    """The stage with one operator for each rotation whose angles are computed in it; the stage
    itself where there are none."""
    if stage.model.opset_imports.get("", 0) < _SINCE or not any(_rotations(stage.model.graph)):
        return stage
    model = stage.model.clone()
    graph = model.graph
    halves: dict[str, ir.Value] = {}
    position = _constant(graph, "rotary/position", [0])
    for found in [*_rotations(graph)]:
        cosines, sines = (_half(graph, each, halves) for each in (found.cosines, found.sines))
        node = ir.node("RotaryEmbedding", [found.x, position, cosines, sines], domain=_CONTRIB)
        _replace(graph, found.output, node)
    graph.opset_imports.setdefault(_CONTRIB, _CONTRIB_VERSION)
    RemoveUnusedNodesPass()(model)
    return replace(stage, model=model)


def _rotations(graph: ir.Graph) -> Iterator[_Rotation]:
    for node in graph:
        if _is(node, "Add"):
            first, second = map(_producer, node.inputs)
            found = _rotation(node, first, second) or _rotation(node, second, first)
            if found is not None:
                yield found


def _rotation(total: ir.Node, plain: ir.Node | None, turned: ir.Node | None) -> _Rotation | None:
    """That of `plain`, x times cosines, and `turned`, x turned times sines; None where they are
    none."""
    if plain is None or turned is None or not (_is(plain, "Mul") and _is(turned, "Mul")):
        return None
    for sines, other in (turned.inputs, turned.inputs[::-1]):
        x = _is_turned(other)
        if x is None or sines is None or x not in plain.inputs:
            continue
        cosines = plain.inputs[1 - [*plain.inputs].index(x)]
        if cosines is not None and _fit(x, cosines, sines):
            return _Rotation(total.outputs[0], x, cosines, sines)
    return None


def _is_turned(value: ir.Value | None) -> ir.Value | None:
    """The x of which this is Concat(-x[..., h:], x[..., :h])."""
    joined = _producer(value)
    if joined is None or not _is(joined, "Concat") or len(joined.inputs) != 2:
        return None
    negated, low = map(_producer, joined.inputs)
    high = _producer(negated.inputs[0]) if negated is not None and _is(negated, "Neg") else None
    if low is None or high is None or joined.attributes.get_int("axis") not in {-1, 3}:
        return None
    x = low.inputs[0]
    size = (_sizes(x) or (None,))[-1]
    if not isinstance(size, int) or size % 2 or high.inputs[0] is not x:
        return None
    bounds = _bounds(low, size), _bounds(high, size)
    return x if bounds == ((0, size // 2), (size // 2, size)) else None


def _bounds(node: ir.Node, size: int) -> tuple[int, int] | None:
    """Of a part of the last axis, which is of this size."""
    if not _is(node, "Slice") or len(node.inputs) < 4:
        return None
    numbers = [_numbers(value) for value in node.inputs[1:]]
    if any(each is None or len(each) != 1 for each in numbers):
        return None
    first, end, axis, *step = (int(each[0]) for each in numbers if each is not None)
    if axis not in {-1, 3} or step not in ([], [1]) or first < 0 or end < 0:
        return None
    return first, size if end >= _END else end


def _fit(x: ir.Value, cosines: ir.Value, sines: ir.Value) -> bool:
    """Whether there is one angle for each row and half a head, of a single sequence."""
    batch, _, rows, size = _sizes(x) or (None,) * 4
    angles = 1, 1, rows, size
    alike = all(_sizes(each) == angles for each in (cosines, sines))
    known = x.dtype == ir.DataType.FLOAT and batch == 1 and rows is not None and alike
    sources = _angles(cosines, "Cos"), _angles(sines, "Sin")
    return known and None not in sources


def _angles(value: ir.Value | None, op: str) -> ir.Value | None:
    """What cosines or sines are of, twice over; None where it is not known to be so."""
    node = _producer(value)
    while node is not None and _is(node, "Unsqueeze"):
        node = _producer(node.inputs[0])
    joined = _producer(node.inputs[0]) if node is not None and _is(node, op) else None
    while joined is not None and _is(joined, "Unsqueeze"):
        joined = _producer(joined.inputs[0])
    twice = joined is not None and _is(joined, "Concat") and len(joined.inputs) == 2
    if joined is None or not twice or joined.inputs[0] is not joined.inputs[1]:
        return None
    last = len(_sizes(joined.outputs[0]) or ()) - 1
    return joined.inputs[0] if joined.attributes.get_int("axis") in {-1, last} else None


def _half(graph: ir.Graph, angles: ir.Value, halves: dict[str, ir.Value]) -> ir.Value:
    """The first half of each row of `angles` [1, 1, rows, 2 h], as [rows, h]."""
    name = str(angles.name)
    if name not in halves:
        size = int((_sizes(angles) or (0,))[-1] or 0)
        part = f"{name}/half"
        numbers = [
            _constant(graph, f"{part}/{key}", each)
            for key, each in (("first", [0]), ("end", [size // 2]), ("axis", [3]))
        ]
        sizes = _constant(graph, f"{part}/sizes", [-1, size // 2])
        cut = ir.node("Slice", [angles, *numbers], name=f"{part}/cut")
        flat = ir.node("Reshape", [cut.outputs[0], sizes], name=f"{part}/flat")
        cut.outputs[0].name, flat.outputs[0].name = f"{part}/cut", part
        producer = angles.producer()
        if producer is None:
            raise AssertionError("a Cos or a Sin is behind it")
        graph.insert_after(producer, [cut, flat])
        halves[name] = flat.outputs[0]
    return halves[name]


def _replace(graph: ir.Graph, old: ir.Value, node: ir.Node) -> None:
    producer, new = old.producer(), node.outputs[0]
    if producer is None:
        raise AssertionError("an Add writes it")
    node.name = producer.name
    new.type, new.shape = old.type, old.shape
    graph.insert_before(producer, node)
    new.name, old.name = old.name, None
    old.replace_all_uses_with(new, replace_graph_outputs=True)
    graph.remove(producer, safe=True)


def _is(node: ir.Node, op: str) -> bool:
    return node.op_type == op and not node.domain


def _producer(value: ir.Value | None) -> ir.Node | None:
    return None if value is None else value.producer()


def _sizes(value: ir.Value | None) -> tuple[int | str | None, ...] | None:
    """None for a size that has no name; None altogether where the rank is not known."""
    if value is None or value.shape is None:
        return None
    return tuple(size if isinstance(size, int) else size.value for size in value.shape)


def _numbers(value: ir.Value | None) -> Sequence[int] | None:
    tensor = None if value is None else value.const_value
    return None if tensor is None else [int(each) for each in tensor.numpy().reshape(-1)]


def _constant(graph: ir.Graph, name: str, numbers: Sequence[int]) -> ir.Value:
    tensor = ir.Tensor(np.array(numbers, np.int64), name=name)
    shape, kind = ir.Shape(tensor.shape.numpy()), ir.TensorType(tensor.dtype)
    value = ir.Value(name=name, shape=shape, type=kind, const_value=tensor)
    graph.register_initializer(value)
    return value
