"""Random small ONNX models for property tests, with whatever trips a compiler over.

Branches that meet again, several, repeated and unused outputs, operands left out, If and Loop
whose bodies read values from outside, empty tensors, scalars, strings, int64 and bool, sizes that
depend on data, inputs and weights that are handed back, and inputs with an open first dimension.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from stagecut.compiler.ir.device import Feeds, Tensor

_OPSET, _IR_VERSION = 20, 10
_KINDS = {
    "float": TensorProto.FLOAT,
    "int64": TensorProto.INT64,
    "bool": TensorProto.BOOL,
    "string": TensorProto.STRING,
}
#: The symbol of an open first dimension.
OPEN = "n"


@dataclass(frozen=True)
class Known:
    """A value that a node may read; `rank` is None where even that depends on data."""

    name: str
    kind: str
    shape: tuple[int, ...] | None

    @property
    def dims(self) -> tuple[int, ...]:
        return self.shape or ()


@dataclass
class RandomModel:
    """`sizes` are those of the open dimension that the model may be fed with, the first to compile
    with."""

    proto: onnx.ModelProto
    ports: Sequence[tuple[str, str, tuple[int | str, ...]]]
    sizes: tuple[int, ...]
    seed: int

    def feeds(self, size: int) -> Feeds:
        rng = np.random.default_rng(self.seed)
        return {
            name: _random(rng, kind, tuple(size if dim == OPEN else int(dim) for dim in dims))
            for name, kind, dims in self.ports
        }

    def __repr__(self) -> str:
        return onnx.printer.to_text(self.proto)


@st.composite
def random_models(draw: st.DrawFn) -> RandomModel:
    """Models of up to a dozen operators; not all of them can run with every size."""
    maker = _Maker(draw)
    maker.add_inputs()
    for _ in range(draw(st.integers(0, 12))):
        maker.add_node()
    return maker.finish()


@dataclass
class _Maker:
    draw: st.DrawFn
    known: list[Known] = field(default_factory=list)
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)
    ports: list[tuple[str, str, tuple[int | str, ...]]] = field(default_factory=list)
    size: int = 2
    count: int = 0

    def add_inputs(self) -> None:
        self.size = self.draw(st.integers(1, 4))
        for _ in range(self.draw(st.integers(1, 3))):
            kind = self.draw(st.sampled_from(("float", "float", "int64", "bool", "string")))
            shape = self._shape()
            is_open = bool(shape) and shape[0] == self.size and self.draw(st.booleans())
            name = self._name("x")
            self.ports.append((name, kind, (OPEN, *shape[1:]) if is_open else shape))
            self.known.append(Known(name, kind, shape))

    def _shape(self) -> tuple[int, ...]:
        dims = st.sampled_from((self.size, self.size, 3, 3, 1, 0))
        return self.draw(st.one_of(st.just((self.size, 3)), st.lists(dims, max_size=3).map(tuple)))

    def _name(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def _pick(self, fits: Callable[[Known], bool]) -> Known | None:
        fitting = [value for value in self.known if fits(value)]
        return self.draw(st.sampled_from(fitting)) if fitting else None

    def _weight(self, array: Tensor) -> Known:
        name = self._name("w")
        self.weights.append(numpy_helper.from_array(array, name))
        return Known(name, _kind(self.weights[-1].data_type), array.shape)

    def _node(
        self,
        op: str,
        reads: Sequence[Known | None],
        writes: Sequence[tuple[str, tuple[int, ...] | None]],
        **attributes: Any,
    ) -> None:
        """Outputs that are not named here may be left out at random."""
        outputs = [self._name("v") for _ in writes]
        self.nodes.append(
            helper.make_node(
                op,
                [value.name if value else "" for value in reads],
                outputs,
                name=self._name(op),
                **attributes,
            )
        )
        self.known += [
            Known(name, kind, shape) for name, (kind, shape) in zip(outputs, writes, strict=True)
        ]

    def add_node(self) -> None:
        """One of a random family, if there is something that it can read."""
        family = self.draw(
            st.sampled_from(
                (
                    self._unary,
                    self._binary,
                    self._binary,
                    self._product,
                    self._transposed,
                    self._reshaped,
                    self._sliced,
                    self._joined,
                    self._split,
                    self._reduced,
                    self._cast,
                    self._compared,
                    self._clipped,
                    self._normalised,
                    self._largest,
                    self._shape_of,
                    self._found,
                    self._texts,
                    self._if,
                    self._loop,
                )
            )
        )
        family()

    def _unary(self) -> None:
        x = self._pick(lambda v: v.kind == "float")
        if x:
            op = self.draw(st.sampled_from(("Relu", "Neg", "Sigmoid", "Tanh", "Abs", "Identity")))
            self._node(op, [x], [("float", x.shape)])

    def _binary(self) -> None:
        x = self._pick(lambda v: v.kind in {"float", "int64"} and v.shape is not None)
        y = x and self._pick(lambda v: v.kind == x.kind and _broadcasts(v.shape, x.shape))
        if x and y and x.shape is not None and y.shape is not None:
            op = self.draw(st.sampled_from(("Add", "Sub", "Mul", "Max", "Min")))
            self._node(op, [x, y], [(x.kind, np.broadcast_shapes(x.shape, y.shape))])

    def _product(self) -> None:
        x = self._pick(lambda v: v.kind == "float" and v.shape is not None and len(v.shape) > 1)
        if x and x.shape:
            matrix = np.arange(x.shape[-1] * 3, dtype=np.float32).reshape(x.shape[-1], 3) / 7 - 1
            self._node("MatMul", [x, self._weight(matrix)], [("float", (*x.shape[:-1], 3))])

    def _transposed(self) -> None:
        x = self._pick(lambda v: v.kind != "string" and bool(v.shape))
        if x and x.shape:
            perm = self.draw(st.permutations(range(len(x.shape))))
            self._node("Transpose", [x], [(x.kind, tuple(x.shape[i] for i in perm))], perm=perm)

    def _reshaped(self) -> None:
        x = self._pick(lambda v: v.shape is not None)
        if x and x.shape is not None:
            flat = self._weight(np.array([-1], np.int64))
            if 0 not in x.shape:
                self._node("Reshape", [x, flat], [(x.kind, (int(np.prod(x.shape)),))])

    def _sliced(self) -> None:
        """Often to nothing."""
        x = self._pick(lambda v: bool(v.shape))
        if x and x.shape:
            end = self.draw(st.integers(0, x.shape[0]))
            starts, ends = (self._weight(np.array([n], np.int64)) for n in (0, end))
            if self.draw(st.booleans()):
                self._node("Slice", [x, starts, ends], [(x.kind, (end, *x.shape[1:]))])
            else:
                axes = self._weight(np.array([0], np.int64))
                steps = self._weight(np.array([1], np.int64))
                reads = [x, starts, ends, axes, steps]
                self._node("Slice", reads, [(x.kind, (end, *x.shape[1:]))])

    def _joined(self) -> None:
        x = self._pick(lambda v: bool(v.shape))
        y = x and self._pick(
            lambda v: v.kind == x.kind and bool(v.shape) and v.dims[1:] == x.dims[1:]
        )
        if x and y and x.shape and y.shape:
            shape = (x.shape[0] + y.shape[0], *x.shape[1:])
            self._node("Concat", [x, y], [(x.kind, shape)], axis=0)

    def _split(self) -> None:
        x = self._pick(lambda v: v.kind == "float" and bool(v.shape) and v.dims[-1] == 3)
        if x and x.shape:
            sizes = self._weight(np.array([1, 2, 0], np.int64))
            writes = [("float", (*x.shape[:-1], n)) for n in (1, 2, 0)]
            self._node("Split", [x, sizes], writes, axis=-1)

    def _reduced(self) -> None:
        x = self._pick(lambda v: v.kind == "float" and v.shape is not None)
        if x and x.shape is not None:
            keep = self.draw(st.booleans())
            shape = (1,) * len(x.shape) if keep else ()
            self._node("ReduceSum", [x], [("float", shape)], keepdims=int(keep))

    def _cast(self) -> None:
        x = self._pick(lambda v: v.kind != "string")
        if x:
            kind = self.draw(st.sampled_from(("float", "int64", "bool")))
            self._node("Cast", [x], [(kind, x.shape)], to=_KINDS[kind])

    def _compared(self) -> None:
        x = self._pick(lambda v: v.kind == "float" and v.shape is not None)
        y = x and self._pick(lambda v: v.kind == "float" and v.shape == x.shape)
        if x and y:
            self._node("Less", [x, y], [("bool", x.shape)])
            self._node("Where", [self.known[-1], x, y], [("float", x.shape)])

    def _clipped(self) -> None:
        """With its first optional operand left out."""
        x = self._pick(lambda v: v.kind == "float")
        if x:
            top = self._weight(np.array(0.5, np.float32))
            self._node("Clip", [x, None, top], [("float", x.shape)])

    def _normalised(self) -> None:
        """Three results, of which the middle one is left out."""
        x = self._pick(lambda v: v.kind == "float" and bool(v.shape) and v.dims[-1] == 3)
        if x and x.shape:
            scale = self._weight(np.array([1, 2, 3], np.float32))
            writes = [("float", x.shape), ("float", None), ("float", (*x.shape[:-1], 1))]
            self._node("LayerNormalization", [x, scale], writes)
            if self.draw(st.booleans()):
                self.nodes[-1].output[1] = ""
                del self.known[-2]

    def _largest(self) -> None:
        x = self._pick(lambda v: v.kind == "float" and bool(v.shape) and v.dims[-1] >= 2)
        if x and x.shape:
            shape = (*x.shape[:-1], 2)
            count = self._weight(np.array([2], np.int64))
            self._node("TopK", [x, count], [("float", shape), ("int64", shape)])

    def _shape_of(self) -> None:
        """And something that is made from it."""
        x = self._pick(lambda v: v.shape is not None)
        if x and x.shape is not None:
            self._node("Shape", [x], [("int64", (len(x.shape),))])
            if self.draw(st.booleans()):
                one = numpy_helper.from_array(np.array([1.5], np.float32))
                self._node("ConstantOfShape", [self.known[-1]], [("float", x.shape)], value=one)

    def _found(self) -> None:
        """A size that depends on data."""
        x = self._pick(lambda v: v.kind in {"float", "bool"} and bool(v.shape))
        if x and x.shape:
            self._node("NonZero", [x], [("int64", None)])

    def _texts(self) -> None:
        x = self._pick(lambda v: v.kind == "string" and v.shape is not None)
        if x:
            self._node("StringConcat", [x, x], [("string", x.shape)])
            self._node("Equal", [x, self.known[-1]], [("bool", x.shape)])

    def _if(self) -> None:
        """Both branches read values from outside."""
        flag = self._pick(lambda v: v.kind == "bool" and v.shape == ())
        x = self._pick(lambda v: v.kind == "float" and v.shape is not None)
        if not x or x.shape is None:
            return
        flag = flag or self._weight(np.array(self.draw(st.booleans())))
        branches = {}
        for branch, op in (("then_branch", "Neg"), ("else_branch", "Sigmoid")):
            out = self._name("b")
            inner = helper.make_node(op, [x.name], [out], name=self._name(op))
            port = helper.make_tensor_value_info(out, TensorProto.FLOAT, None)
            branches[branch] = helper.make_graph([inner], branch, [], [port])
        self._node("If", [flag], [("float", x.shape)], **branches)

    def _loop(self) -> None:
        """It adds a value from outside to one that it carries, and hands back every turn's."""
        x = self._pick(lambda v: v.kind == "float" and v.shape is not None)
        y = x and self._pick(lambda v: v.kind == "float" and v.shape == x.shape)
        if not x or not y or x.shape is None:
            return
        turns = self.draw(st.integers(0, 3))
        i, go, state, on, following, seen = (self._name("l") for _ in range(6))
        body = helper.make_graph(
            [
                helper.make_node("Identity", [go], [on], name=self._name("Identity")),
                helper.make_node("Add", [state, y.name], [following], name=self._name("Add")),
                helper.make_node("Neg", [following], [seen], name=self._name("Neg")),
            ],
            "body",
            [
                helper.make_tensor_value_info(i, TensorProto.INT64, ()),
                helper.make_tensor_value_info(go, TensorProto.BOOL, ()),
                helper.make_tensor_value_info(state, TensorProto.FLOAT, None),
            ],
            [
                helper.make_tensor_value_info(on, TensorProto.BOOL, ()),
                helper.make_tensor_value_info(following, TensorProto.FLOAT, None),
                helper.make_tensor_value_info(seen, TensorProto.FLOAT, None),
            ],
        )
        reads = [self._weight(np.array(turns, np.int64)), self._weight(np.array(True)), x]
        writes = [("float", x.shape), ("float", (turns, *x.shape) if turns else None)]
        self._node("Loop", reads, writes, body=body)

    def finish(self) -> RandomModel:
        """Hands back some values, perhaps twice, inputs and weights among them."""
        candidates = list(self.known)
        candidates += [Known(w.name, _kind(w.data_type), tuple(w.dims)) for w in self.weights[:1]]
        handed_back = self.draw(st.lists(st.sampled_from(candidates), min_size=1, max_size=4))
        graph = helper.make_graph(
            self.nodes,
            "random",
            [helper.make_tensor_value_info(n, _KINDS[kind], dims) for n, kind, dims in self.ports],
            [helper.make_tensor_value_info(v.name, _KINDS[v.kind], None) for v in handed_back],
            self.weights,
        )
        opsets = [helper.make_opsetid("", _OPSET)]
        proto = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        others = self.draw(st.lists(st.integers(0, 6), max_size=2))
        is_open = any(OPEN in dims for *_, dims in self.ports)
        sizes = (self.size, *others) if is_open else (self.size,)
        return RandomModel(proto, self.ports, sizes, self.draw(st.integers(0, 9)))


def _broadcasts(one: tuple[int, ...] | None, other: tuple[int, ...] | None) -> bool:
    if one is None or other is None:
        return False
    return all(a == b or 1 in {a, b} for a, b in zip(one[::-1], other[::-1], strict=False))


def _kind(code: int) -> str:
    return next(kind for kind, known in _KINDS.items() if known == code)


def _random(rng: np.random.Generator, kind: str, shape: tuple[int, ...]) -> Tensor:
    match kind:
        case "float":
            return np.asarray(rng.standard_normal(shape), np.float32)
        case "int64":
            return np.asarray(rng.integers(-3, 4, shape), np.int64)
        case "bool":
            return np.asarray(rng.integers(0, 2, shape), np.bool_)
    return np.asarray(rng.choice(["", "a", "bé"], shape), object)
