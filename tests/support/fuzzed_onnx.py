"""Random ONNX graphs by the thousand, from a seed: every operator that is drawn has run once.

A graph grows node by node. Each node is a random operator with random attributes on values that are
there; ONNX Runtime runs it alone, and it stays only where it runs. So every graph runs as a whole,
whatever its opset, its types, its empty tensors, its branches and its loops.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

Array = npt.NDArray[Any]

OPSETS = (11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22)
FLOATS = ("float32", "float32", "float32", "float32", "float16", "float64")
INTEGERS = ("int64", "int64", "int32", "int8", "uint8")
#: What exporters write for dimensions without a name.
ODD_NAMES = ("None", "-1", "?", "unk", "")


@dataclass(frozen=True, eq=False)
class Known:
    """A value that a node may read, as it was when the graph was made."""

    name: str
    array: Array

    @property
    def kind(self) -> str:
        return "string" if self.array.dtype.kind in "OU" else self.array.dtype.name


@dataclass(frozen=True)
class Fuzzed:
    """A model, inputs that it runs on, and inputs of another size that it may run on."""

    seed: int
    proto: onnx.ModelProto
    feeds: Mapping[str, Array]
    others: Mapping[str, Array] | None


def fuzzed(seed: int) -> Fuzzed:
    """The model of this seed."""
    return _Grower(seed).model()


def run(proto: onnx.ModelProto, feeds: Mapping[str, Array], *, optimised: bool = False) -> Any:
    """What ONNX Runtime answers; None where it refuses."""
    try:
        return _session(proto, optimised=optimised).run(None, dict(feeds))
    except Exception:  # its errors have no narrower class in common
        return None


def _session(proto: onnx.ModelProto, *, optimised: bool) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    if not optimised:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


@dataclass
class _Grower:
    seed: int
    known: list[Known] = field(default_factory=list)
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: dict[str, Array] = field(default_factory=dict)
    inputs: dict[str, Array] = field(default_factory=dict)
    functions: list[onnx.FunctionProto] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.opset = int(self.rng.choice(OPSETS))
        self.size = int(self.rng.integers(1, 5))

    # ------------------------------------------------------------ random choices

    def one(self, choices: Sequence[Any]) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def pick(self, fits: Callable[[Known], bool] = lambda _: True) -> Known:
        """A value, rather a late one; raises _Nothing where none fits."""
        found = [value for value in self.known if fits(value)]
        if not found:
            raise _Nothing
        return found[-1 - min(int(self.rng.exponential(3)), len(found) - 1)]

    def floats(self, least: int = 0) -> Known:
        return self.pick(lambda v: v.array.dtype.kind == "f" and v.array.ndim >= least)

    def numbers(self, least: int = 0) -> Known:
        return self.pick(lambda v: v.array.dtype.kind in "fiu" and v.array.ndim >= least)

    def any(self, least: int = 0) -> Known:
        return self.pick(lambda v: v.array.ndim >= least)

    def like(self, x: Known) -> Known:
        """A value that broadcasts with `x`, or a new weight that does."""
        if self.chance(0.6):
            try:
                return self.pick(
                    lambda v: (
                        v.array.dtype == x.array.dtype and _broadcasts(v.array.shape, x.array.shape)
                    )
                )
            except _Nothing:
                pass
        shape = tuple(n if self.chance(0.7) else 1 for n in x.array.shape)
        cut = int(self.rng.integers(len(shape) + 1)) if self.chance(0.3) else 0
        return self.weight(self.array(x.kind, shape[cut:]))

    def axis(self, x: Known) -> int:
        rank = max(x.array.ndim, 1)
        return int(self.rng.integers(-rank, rank))

    def axes(self, x: Known) -> list[int]:
        count = int(self.rng.integers(0 if self.opset >= 13 else 1, x.array.ndim + 1))
        chosen = self.rng.permutation(x.array.ndim)[:count]
        return [int(a) - (x.array.ndim if self.chance(0.3) else 0) for a in chosen]

    def array(self, kind: str, shape: Sequence[int]) -> Array:
        rng, shape = self.rng, tuple(shape)
        if kind == "string":
            return np.asarray(rng.choice(["", "a", "bé"], shape), object)
        if kind == "bool":
            return np.asarray(rng.integers(0, 2, shape), np.bool_)
        dtype = np.dtype(kind)
        if dtype.kind == "f":
            return np.asarray(rng.standard_normal(shape)).astype(dtype)
        low = 0 if dtype.kind == "u" else -4
        return np.asarray(rng.integers(low, 5, shape)).astype(dtype)

    def weight(self, array: Any, kind: str = "") -> Known:
        """A new weight, or one that is there already and equal."""
        made = np.asarray(array, kind or None)
        for name, there in self.weights.items():
            same = there.dtype == made.dtype and there.shape == made.shape
            if same and np.array_equal(there, made):
                return Known(name, there)
        name = f"w{len(self.weights)}"
        self.weights[name] = made
        return Known(name, made)

    def ints(self, numbers: Sequence[int]) -> Known:
        return self.weight(np.asarray(numbers, np.int64))

    # ------------------------------------------------------------ nodes

    def add(
        self, op: str, reads: Sequence[Known | None], count: int = 1, **attributes: Any
    ) -> None:
        """Add the node if ONNX Runtime runs it alone."""
        names = [f"v{len(self.known)}_{at}" for at in range(count)]
        domain = attributes.pop("domain", "")
        node = helper.make_node(
            op, [v.name if v else "" for v in reads], names, domain=domain, **attributes
        )
        present = {v.name: v.array for v in reads if v is not None}
        self.try_node(node, present)

    def try_node(self, node: onnx.NodeProto, present: Mapping[str, Array]) -> None:
        names = [name for name in node.output if name]
        graph = helper.make_graph(
            [node],
            "alone",
            [_info(name, array) for name, array in present.items()],
            [helper.make_empty_tensor_value_info(name) for name in names],
        )
        found, inferred = _run_alone(self.proto(graph), present)
        if not all(map(_is_fair, found, inferred)):
            raise _Nothing
        if node.op_type in _STEPS:
            self.check_steady(node, graph, present, found)
        taken = {each.name for each in self.nodes}
        name = self.one((node.op_type, "", f"{node.op_type}_{len(self.nodes)}", names[0]))
        node.name = "" if name in taken else name
        self.nodes.append(node)
        self.known += [Known(name, array) for name, array in zip(names, found, strict=True)]

    def check_steady(
        self, node: onnx.NodeProto, graph: onnx.GraphProto, present: Mapping[str, Array], found: Any
    ) -> None:
        """Raises _Nothing where the last digits of operands decide what comes out."""
        for sign in (1, -1):
            moved = {
                name: _moved(array, sign * 1e-5 * (at + 1)) if array.dtype.kind == "f" else array
                for at, (name, array) in enumerate(present.items())
            }
            again = run(self.proto(graph), moved)
            if again is None or not all(map(_is_near, again, found)):
                raise _Nothing

    def proto(self, graph: onnx.GraphProto) -> onnx.ModelProto:
        opsets = [helper.make_opsetid("", self.opset)]
        if self.functions:
            opsets.append(helper.make_opsetid("own", 1))
        version = 10 if self.opset > 20 else 8
        return helper.make_model(
            graph, opset_imports=opsets, ir_version=version, functions=self.functions
        )

    def grow(self) -> None:
        """One more node, if the first that is drawn runs."""
        try:
            self.one(_FAMILIES)(self)
        except _Nothing:
            return

    # ------------------------------------------------------------ the model

    def model(self) -> Fuzzed:
        for at in range(int(self.rng.integers(1, 4))):
            kind = self.one((*FLOATS, *FLOATS, *INTEGERS, "bool", "string"))
            rank = int(self.rng.integers(0, 5))
            shape = [int(self.one((1, 2, 3, 4, 0 if self.chance(0.1) else 5))) for _ in range(rank)]
            if shape and self.chance(0.5):
                shape[0] = self.size
            name = f"x{at}"
            self.inputs[name] = self.array(kind, shape)
            self.known.append(Known(name, self.inputs[name]))
        for _ in range(int(self.rng.integers(1, 40))):
            self.grow()
        outputs = self.outputs()
        shared = [name for name, array in self.inputs.items() if array.shape[:1] == (self.size,)]
        is_open = bool(shared) and self.chance(0.5)
        graph = helper.make_graph(
            self.nodes,
            "fuzzed",
            [self.port(name, array, is_open) for name, array in self.inputs.items()],
            [_info(value.name, value.array, shaped=False) for value in outputs],
            [_tensor(name, array) for name, array in self.weights.items()],
        )
        if self.chance(0.1):
            self.give_defaults(graph)
        others = None
        if is_open:
            size = int(self.one([n for n in range(1, 8) if n != self.size]))
            others = {
                name: self.array(Known(name, array).kind, (size, *array.shape[1:]))
                if name in shared
                else array
                for name, array in self.inputs.items()
            }
        return Fuzzed(self.seed, self.proto(graph), self.inputs, others)

    def outputs(self) -> list[Known]:
        """Values that nobody reads, mostly, and some others; perhaps an input or a weight."""
        read = {name for node in self.nodes for name in node.input}
        ends = [value for value in self.known if value.name not in read and value.name[0] == "v"]
        kept = [value for value in ends if self.chance(0.8)]
        kept += [value for value in self.known if self.chance(0.05)]
        kept += [Known(*item) for item in self.weights.items() if self.chance(0.02)]
        return list({value.name: value for value in kept or self.known[-1:]}.values())

    def port(self, name: str, array: Array, is_open: bool) -> onnx.ValueInfoProto:
        info = _info(name, array)
        if not is_open or array.shape[:1] != (self.size,):
            return info
        dims = info.type.tensor_type.shape.dim
        if self.chance(0.05):
            info.type.tensor_type.ClearField("shape")
        elif self.chance(0.2):
            dims[0].dim_param = self.one(ODD_NAMES)
        else:
            dims[0].dim_param = "n"
        return info

    def give_defaults(self, graph: onnx.GraphProto) -> None:
        """Weights that are inputs, too."""
        for weight in graph.initializer:
            if self.chance(0.3):
                graph.input.append(_info(weight.name, self.weights[weight.name]))


#: Operators that jump: what comes out may be another number for operands that are hardly others.
_STEPS = frozenset(
    {
        *("Floor", "Ceil", "Round", "Sign", "ArgMax", "ArgMin", "TopK", "Less", "Greater", "Equal"),
        *("LessOrEqual", "GreaterOrEqual", "Hardmax", "Cast", "Mod", "Unique", "NonZero"),
        *("QuantizeLinear", "DynamicQuantizeLinear", "ThresholdedRelu", "Resize", "Pow", "Tan"),
        *("Reciprocal", "Div", "LpNormalization", "InstanceNormalization", "LayerNormalization"),
    }
)


def _moved(array: Array, part: float) -> Array:
    return np.asarray(array * (1 + part) + part * 1e-2, array.dtype)


def _is_near(one: Array, other: Array) -> bool:
    if one.shape != other.shape or one.dtype.kind != "f":
        return bool(np.array_equal(one, other))
    largest = max(1.0, float(np.abs(other).max(initial=0.0)))
    return bool(np.abs(one - other).max(initial=0.0) <= 1e-2 * largest)


class _Nothing(Exception):  # noqa: N818  # it is no error
    """No node was added."""


def _run_alone(proto: onnx.ModelProto, feeds: Mapping[str, Array]) -> tuple[list[Any], list[Any]]:
    """What ONNX Runtime answers, and the shapes that it infers; raises _Nothing where it refuses."""
    try:
        session = _session(proto, optimised=False)
        found = session.run(None, dict(feeds))
    except Exception:  # its errors have no narrower class in common
        raise _Nothing from None
    return found, [output.shape for output in session.get_outputs()]


def _is_fair(array: Any, inferred: Sequence[int | str | None]) -> bool:
    """A tensor that is not too large to go on with, and of the shape that was inferred: of some
    operators on empty tensors, ONNX Runtime itself infers another shape than it returns."""
    if not isinstance(array, np.ndarray) or array.size > 4096 or array.ndim > 6:
        return False
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return False  # ONNX does not say how they are ordered, nor what is the largest
    known = zip(inferred, array.shape, strict=False)
    ranked = len(inferred) in (0, array.ndim) and (inferred or array.size)
    return bool(ranked) and all(dim == size for dim, size in known if isinstance(dim, int))


def _broadcasts(one: Sequence[int], other: Sequence[int]) -> bool:
    return all(a == b or 1 in {a, b} for a, b in zip(one[::-1], other[::-1], strict=False))


def _info(name: str, array: Array, *, shaped: bool = True) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, _code(array), array.shape if shaped else None)


def _code(array: Array) -> int:
    if array.dtype.kind in "OU":
        return int(onnx.TensorProto.STRING)
    return int(helper.np_dtype_to_tensor_dtype(array.dtype))


def _tensor(name: str, array: Array) -> onnx.TensorProto:
    return numpy_helper.from_array(array, name)


# ---------------------------------------------------------------- families of operators

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


def _unary(g: _Grower) -> None:
    op = g.one(_UNARY)
    x = g.numbers() if op in {"Relu", "Neg", "Abs", "Sign", "Identity"} else g.floats()
    g.add(op, [x])


def _binary(g: _Grower) -> None:
    x, op = g.numbers(), g.one(_BINARY)
    more = {"fmod": 1} if op == "Mod" and x.array.dtype.kind == "f" else {}
    y = g.like(x)
    if op in {"Div", "Mod"} and x.array.dtype.kind in "iu":
        y = g.weight(np.asarray(3, x.array.dtype))
    g.add(op, [x, y] if g.chance(0.7) or op in {"Div", "Mod"} else [y, x], **more)


def _logic(g: _Grower) -> None:
    x = g.pick(lambda v: v.kind == "bool")
    op = g.one(("And", "Or", "Xor", "Not", "Equal"))
    g.add(op, [x] if op == "Not" else [x, g.like(x)])


def _variadic(g: _Grower) -> None:
    x = g.floats()
    g.add(g.one(("Sum", "Mean", "Max", "Min")), [x, *(g.like(x) for _ in range(2))])


def _reduce(g: _Grower) -> None:
    x, op = g.numbers(1), f"Reduce{g.one(_REDUCE)}"
    axes, keep = g.axes(x), {"keepdims": int(g.chance(0.5))}
    if g.opset >= 18 or (op == "ReduceSum" and g.opset >= 13):
        noop = {"noop_with_empty_axes": 1} if g.chance(0.2) else {}
        g.add(op, [x, g.ints(axes)] if g.chance(0.8) else [x], **keep, **noop)
    else:
        g.add(op, [x], **keep, **({"axes": axes} if axes else {}))


def _arg(g: _Grower) -> None:
    x = g.numbers(1)
    more = {"select_last_index": int(g.chance(0.3))} if g.opset >= 12 else {}
    g.add(g.one(("ArgMax", "ArgMin")), [x], axis=g.axis(x), keepdims=int(g.chance(0.5)), **more)


def _softmax(g: _Grower) -> None:
    x = g.floats(1)
    more = {"axis": g.axis(x)} if g.chance(0.7) else {}
    g.add(g.one(("Softmax", "LogSoftmax", "Hardmax", "LpNormalization")), [x], **more)


def _norm(g: _Grower) -> None:
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


def _matmul(g: _Grower) -> None:
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


def _conv(g: _Grower) -> None:
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


def _shape_of(g: _Grower) -> None:
    """And what is made from it, so that shapes depend on shapes."""
    x = g.any()
    more = {"start": g.axis(x)} if g.opset >= 15 and g.chance(0.3) else {}
    g.add("Shape", [x], **more)
    if g.chance(0.5):
        shape = g.known[-1]
        value = _tensor("value", g.array(g.one(FLOATS), (1,)))
        g.add("ConstantOfShape", [shape], value=value)
        if g.chance(0.5):
            g.add("Add", [g.known[-1], g.like(g.known[-1])])


def _reshape(g: _Grower) -> None:
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


def _transpose(g: _Grower) -> None:
    x = g.any(1)
    more = {"perm": [int(a) for a in g.rng.permutation(x.array.ndim)]} if g.chance(0.8) else {}
    g.add("Transpose", [x], **more)


def _squeeze(g: _Grower) -> None:
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


def _slice(g: _Grower) -> None:
    x = g.any(1)
    axis = g.axis(x)
    n = x.array.shape[axis]
    start, end = (int(v) for v in g.rng.integers(-n - 1, n + 2, 2))
    step = int(g.one((1, 1, 2, -1)))
    if g.chance(0.2):
        end = 2**63 - 1 if step > 0 else -(2**63)
    g.add("Slice", [x, *(g.ints([number]) for number in (start, end, axis, step))])


def _gather(g: _Grower) -> None:
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


def _scatter(g: _Grower) -> None:
    x = g.numbers(1)
    n = x.array.shape[0]
    more = {"reduction": g.one(("none", "add", "mul"))} if g.opset >= 16 and g.chance(0.5) else {}
    if g.chance(0.5):
        rows = np.asarray(g.rng.permutation(n)[:2], np.int64)[:, None]
        updates = g.weight(g.array(x.kind, (len(rows), *x.array.shape[1:])))
        g.add("ScatterND", [x, g.weight(rows), updates], **more)
    else:
        rows = np.stack([g.rng.permutation(n)[: n or 1]] * 1) if x.array.ndim == 1 else None
        if rows is None:
            raise _Nothing
        index = g.weight(np.asarray(rows[0], np.int64))
        g.add("ScatterElements", [x, index, g.weight(g.array(x.kind, (n,)))], axis=0, **more)


def _pad(g: _Grower) -> None:
    x = g.numbers(1)
    pads = [int(v) for v in g.rng.integers(-1, 3, 2 * x.array.ndim)]
    mode = g.one(("constant", "constant", "reflect", "edge"))
    value = [g.weight(g.array(x.kind, ()))] if g.chance(0.4) else []
    g.add("Pad", [x, g.ints(pads), *value], mode=mode)


def _split(g: _Grower) -> None:
    x = g.any(1)
    axis = g.axis(x)
    n = x.array.shape[axis]
    first = int(g.rng.integers(0, n + 1))
    if g.opset >= 13:
        g.add("Split", [x, g.ints([first, n - first])], 2, axis=axis)
    else:
        g.add("Split", [x], 2, axis=axis, split=[first, n - first])


def _concat(g: _Grower) -> None:
    x = g.any(1)
    axis = g.axis(x)
    at = axis % x.array.ndim

    def fits(v: Known) -> bool:
        a, b = list(v.array.shape), list(x.array.shape)
        return (
            v.kind == x.kind and len(a) == len(b) and a[:at] + a[at + 1 :] == b[:at] + b[at + 1 :]
        )

    g.add("Concat", [x, *(g.pick(fits) for _ in range(g.one((1, 1, 2))))], axis=axis)


def _expand(g: _Grower) -> None:
    x = g.any()
    if g.chance(0.5):
        g.add("Expand", [x, g.ints([2, *(n if g.chance(0.7) else 1 for n in x.array.shape)])])
    else:
        g.add("Tile", [x, g.ints([int(g.one((1, 1, 2, 0))) for _ in x.array.shape])])


def _where(g: _Grower) -> None:
    x = g.numbers()
    g.add("Less", [x, g.like(x)])
    flag = g.known[-1]
    g.add("Where", [flag, x, g.like(x)])


def _clip(g: _Grower) -> None:
    x = g.numbers()
    low, high = (g.weight(np.asarray(n, x.array.dtype)) for n in (0, 2))
    g.add("Clip", g.one(([x, low, high], [x, None, high], [x, low], [x])))


def _topk(g: _Grower) -> None:
    x = g.numbers(1)
    axis = g.axis(x)
    k = int(g.rng.integers(0, x.array.shape[axis] + 1))
    g.add("TopK", [x, g.ints([k])], 2, axis=axis, largest=int(g.chance(0.7)))


def _cumsum(g: _Grower) -> None:
    x = g.numbers(1)
    flags = {"exclusive": int(g.chance(0.3)), "reverse": int(g.chance(0.3))}
    g.add("CumSum", [x, g.weight(np.asarray(g.axis(x), np.int64))], **flags)


def _by_data(g: _Grower) -> None:
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


def _cast(g: _Grower) -> None:
    x = g.pick(lambda v: v.kind != "string")
    kind = g.one(("float32", "float16", "float64", "int64", "int32", "uint8", "bool"))
    if x.array.dtype.kind == "f" and np.dtype(kind).kind in "iu":
        finite = np.isfinite(x.array).all() and (abs(x.array) < 100).all()
        if not finite or (kind == "uint8" and (x.array < 0).any()):
            raise _Nothing  # what comes out is not said by ONNX
    g.add("Cast", [x], to=int(helper.np_dtype_to_tensor_dtype(np.dtype(kind))))


def _others(g: _Grower) -> None:
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


def _quantise(g: _Grower) -> None:
    x = g.pick(lambda v: v.kind == "float32")
    scale, zero = g.weight(np.float32(0.1)), g.weight(np.asarray(3, g.one((np.uint8, np.int8))))
    if g.chance(0.3):
        g.add("DynamicQuantizeLinear", [x], 3)
        return
    g.add("QuantizeLinear", [x, scale, zero])
    g.add("DequantizeLinear", [g.known[-1], scale, zero])


def _resize(g: _Grower) -> None:
    x = g.pick(lambda v: v.kind == "float32" and v.array.ndim == 4)
    scales = np.asarray([1, 1, g.one((1, 2, 0.5)), g.one((1, 2, 1.5))], np.float32)
    modes = {
        "mode": g.one(("nearest", "linear")),
        "coordinate_transformation_mode": g.one(("half_pixel", "asymmetric", "align_corners")),
        "nearest_mode": g.one(("floor", "round_prefer_floor")),
    }
    roi = None if g.opset >= 13 else g.weight(np.zeros(0, np.float32))
    g.add("Resize", [x, roi, g.weight(scales)], **modes)


def _texts(g: _Grower) -> None:
    x = g.pick(lambda v: v.kind == "string")
    op = g.one(("Identity", "Equal", "StringConcat"))
    g.add(op, [x] if op == "Identity" else [x, g.like(x)])


def _recurrent(g: _Grower) -> None:
    x = g.pick(lambda v: v.kind == "float32" and v.array.ndim == 3 and v.array.size > 0)
    size = x.array.shape[2]
    op, gates = g.one((("LSTM", 4), ("GRU", 3), ("RNN", 1)))
    way, ways = g.one((("forward", 1), ("reverse", 1), ("bidirectional", 2)))
    w = g.weight(g.array("float32", (ways, gates * 2, size)))
    r = g.weight(g.array("float32", (ways, gates * 2, 2)))
    g.add(op, [x, w, r], int(g.one((1, 2))), hidden_size=2, direction=way)


def _sequence(g: _Grower) -> None:
    """Made and taken apart again: it cannot be handed back."""
    x = g.floats(1)
    name = f"s{len(g.nodes)}"
    inner = helper.make_node("SplitToSequence", [x.name], [name], axis=0, keepdims=1)
    out = f"v{len(g.known)}_0"
    outer = helper.make_node("ConcatFromSequence", [name], [out], axis=0)
    if x.array.shape[0] == 0:
        raise _Nothing
    g.nodes += [inner, outer]
    g.known.append(Known(out, x.array))


def _if(g: _Grower) -> None:
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
        port = helper.make_tensor_value_info("r", _code(x.array), None)
        branches[branch] = helper.make_graph(inner, branch, [], [port])
    node = helper.make_node("If", [flag.name], [f"v{len(g.known)}_0"], **branches)
    g.try_node(node, {v.name: v.array for v in (flag, x, y)})


def _loop(g: _Grower) -> None:
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


def _function(g: _Grower) -> None:
    """A call of a function that stands in the model."""
    x = g.pick(lambda v: v.kind == "float32")
    if not g.functions:
        nodes = [helper.make_node("Relu", ["a"], ["h"]), helper.make_node("Add", ["h", "a"], ["b"])]
        opsets = [helper.make_opsetid("", g.opset)]
        g.functions.append(helper.make_function("own", "F", ["a"], ["b"], nodes, opsets))
    g.add("F", [x], domain="own")


def _families() -> Iterator[Callable[[_Grower], None]]:
    common = (_unary, _binary, _reshape, _transpose, _slice, _matmul, _concat, _reduce)
    for family in common:
        yield from [family] * 3
    yield from (_logic, _variadic, _arg, _softmax, _norm, _conv, _conv, _shape_of, _squeeze)
    yield from (_gather, _scatter, _pad, _split, _expand, _where, _clip, _topk, _cumsum, _by_data)
    yield from (_cast, _others, _quantise, _resize, _texts, _recurrent, _sequence, _if, _loop)
    yield _function


_FAMILIES = tuple(_families())
