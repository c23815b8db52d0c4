"""Grow random ONNX graphs from a seed: every operator that is drawn has run once.

A graph grows node by node. Each node is a random operator with random attributes on values that are
there; ONNX Runtime runs it alone, and it stays only where it runs. So every graph runs as a whole,
whatever its opset, its types, its empty tensors, its branches and its loops.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from tests.support.reference import reference_session

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


def run(proto: onnx.ModelProto, feeds: Mapping[str, Array], *, optimised: bool = False) -> Any:
    """What ONNX Runtime answers; None where it refuses."""
    try:
        return reference_session(proto, optimised=optimised).run(None, dict(feeds))
    except Exception:  # its errors have no narrower class in common
        return None


@dataclass
class Grower:
    """Grows a model by nodes of random `families`: functions that add one."""

    seed: int
    families: Sequence[Callable[["Grower"], None]]
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
        """A value, rather a late one; raises Nothing where none fits."""
        found = [value for value in self.known if fits(value)]
        if not found:
            raise Nothing
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
            except Nothing:
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
        self, op: str, reads: Sequence[Known | None], count: Any = 1, **attributes: Any
    ) -> None:
        """Add the node, of `count` outputs, if ONNX Runtime runs it alone."""
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
            raise Nothing
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
        """Raises Nothing where the last digits of operands decide what comes out."""
        for sign in (1, -1):
            moved = {
                name: _moved(array, sign * 1e-5 * (at + 1)) if array.dtype.kind == "f" else array
                for at, (name, array) in enumerate(present.items())
            }
            again = run(self.proto(graph), moved)
            if again is None or not all(map(_is_near, again, found)):
                raise Nothing

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
            self.one(self.families)(self)
        except Nothing:
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
            [tensor(name, array) for name, array in self.weights.items()],
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


class Nothing(Exception):  # noqa: N818  # it is no error
    """No node was added."""


def _run_alone(proto: onnx.ModelProto, feeds: Mapping[str, Array]) -> tuple[list[Any], list[Any]]:
    """What ONNX Runtime answers, and the shapes that it infers; Nothing where it refuses."""
    try:
        session = reference_session(proto, optimised=False)
        found = session.run(None, dict(feeds))
    except Exception:  # its errors have no narrower class in common
        raise Nothing from None
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
    return helper.make_tensor_value_info(name, code(array), array.shape if shaped else None)


def code(array: Array) -> int:
    if array.dtype.kind in "OU":
        return int(onnx.TensorProto.STRING)
    return int(helper.np_dtype_to_tensor_dtype(array.dtype))


def tensor(name: str, array: Array) -> onnx.TensorProto:
    return numpy_helper.from_array(array, name)
