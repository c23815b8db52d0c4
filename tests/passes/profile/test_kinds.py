"""Which nodes cost the same, and which part of a graph is run for all of it."""

from collections.abc import Hashable

import pytest

from stagecut.backends import null
from stagecut.backends.null.device import NullBackend
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.program import Program
from stagecut.passes.expand import Expand
from stagecut.passes.profile.kinds import Representatives, kinds_of, only_floats_follow
from tests.support.graphs import graph
from tests.support.onnx_models import MODELS, TinyModel

SERIAL = null.create("serial", {"memory": "host", "basis": "measured"})
SHORT = ", ".join(["2"] * 16)
LONG, OTHER = (", ".join([number] * 17) for number in "12")


def _kinds(program: Program) -> list[Hashable | None]:
    return [*map(kinds_of(program), graph_of(program).nodes)]


def _two(operators: str, weights: str = "float[1] w = {1}", x: str = "float[1,17] x") -> TinyModel:
    """A model that hands back `y` and `z`, each the result of one operator."""
    results = x.removesuffix(" x").replace("1,17", "a,b")
    return TinyModel(f"two ({x}) => ({results} y, {results} z) <{weights}> {{ {operators} }}")


#: Two operators, and whether they are of one kind.
PAIRS = {
    "the same": (_two("y = Relu(x) z = Relu(x)"), True),
    "another operator": (_two("y = Relu(x) z = Tanh(x)"), False),
    "another attribute": (
        _two("y = LeakyRelu<alpha = 0.1>(x) z = LeakyRelu<alpha = 0.2>(x)"),
        False,
    ),
    "other weights": (
        _two("y = Add(x, v) z = Add(x, w)", f"float[17] v = {{{LONG}}}, float[17] w = {{{OTHER}}}"),
        True,
    ),
    "a weight and what is computed": (
        _two("y = Add(x, v) h = Tanh(x) z = Add(x, h)", f"float[1,17] v = {{{LONG}}}"),
        False,
    ),
    "a short list of weights is a setting": (
        _two("y = Add(x, v) z = Add(x, w)", "float[1] v = {1}, float[1] w = {2}"),
        False,
    ),
    "long integers may be refused for what they are": (
        _two(
            "y = Add(x, v) z = Add(x, w)",
            f"int64[17] v = {{{LONG}}}, int64[17] w = {{{OTHER}}}",
            x="int64[1,17] x",
        ),
        False,
    ),
    "what is read twice": (_two("y = Mul(x, x) h = Tanh(x) z = Mul(x, h)"), False),
    "another shape": (_two("y = Relu(x) h = Concat<axis = 0>(x, x) z = Relu(h)"), False),
    "another type": (_two("y = Relu(x) h = Cast<to = 11>(x) z = Relu(h)"), False),
}


@pytest.mark.parametrize(("model", "same"), PAIRS.values(), ids=PAIRS.keys())
def test_kinds(model: TinyModel, same: bool) -> None:
    program = load_program(model.proto())
    kinds, graph = _kinds(program), graph_of(program)
    one, other = (kinds[graph.producer[name]] for name in "yz")
    assert one is not None
    assert (one == other) == same


ALONE = {
    "bodies": ("if with captured values", "If"),
    "sizes that depend on data": ("data-dependent shape", "NonZero"),
}


@pytest.mark.parametrize(("name", "op"), ALONE.values(), ids=ALONE.keys())
def test_some_are_like_no_other(name: str, op: str) -> None:
    program = load_program(MODELS[name].proto(), shapes=MODELS[name].shapes)
    kinds = _kinds(program)
    [at] = [index for index, node in enumerate(graph_of(program).nodes) if node.op == op]
    assert kinds[at] is None


def _expanded(name: str, *devices: NullBackend) -> tuple[ExpandedGraph, Program]:
    program = load_program(MODELS[name].proto())
    return Expand({each.device.name: each for each in devices})(graph_of(program)), program


def _chosen(name: str, *devices: NullBackend) -> Representatives:
    expanded, program = _expanded(name, *devices)
    return Representatives.of(expanded, kinds_of(program))


def test_the_first_of_each_kind_is_run() -> None:
    """residual: h = MatMul(x, w), r = Relu(h), s = Add(r, x), t = MatMul(s, w), y = Add(t, s)."""
    chosen = _chosen("residual", SERIAL)
    graph = chosen.expanded.graph
    assert [node.op for node in graph.nodes] == ["MatMul", "Relu", "Add"]
    assert [value.name for value in graph.inputs] == ["x"]
    assert [value.name for value in graph.outputs] == ["s"]
    assert [*chosen.expanded.candidates] == [node.name for node in graph.nodes]
    assert chosen.of_all == 5
    assert [*chosen.timed_as.values()] == ["MatMul", "Relu", "Add", "MatMul", "Add"]


def test_what_is_left_out_hands_on_what_is_read() -> None:
    """Only the second product can run on the other device, and so both are run."""
    expanded, program = _expanded("residual", SERIAL, _device("other"))
    second = expanded.graph.nodes[3].name
    expanded = expanded.without(second, "other", "because")
    part = Representatives.of(expanded, kinds_of(program)).expanded.graph
    assert [node.op for node in part.nodes] == ["MatMul", "Relu", "Add", "MatMul"]
    assert [value.name for value in part.outputs] == ["s", "t"]


def _device(name: str) -> NullBackend:
    return null.create(name, {"memory": "host", "basis": "measured"})


def test_all_are_run_where_transfers_have_to_be_measured() -> None:
    far = null.create("far", {"basis": "measured", "memory": "far"})
    chosen = _chosen("residual", SERIAL, far)
    assert len(chosen.expanded.graph.nodes) == 5
    assert chosen.of_all is None
    assert {*chosen.timed_as} == {*chosen.timed_as.values()}


FOLLOW = {
    "floats": ("b = Relu(a)\ny = Tanh(b)", {}, True),
    "an integer made of one": ("b = ArgMax(a)\ny = Relu(x)", {"b": "int64"}, False),
    "one made of what comes of one": ("b = Relu(a)\ny = ArgMax(b)", {"y": "int64"}, False),
    "an integer that is made of something else": (
        "b = Relu(a)\ni = ArgMax(x)\ny = Relu(b)",
        {"i": "int64"},
        True,
    ),
    "a scale": ("b = Relu(a)\ny = Resize(x, R, b)", {}, False),
    "what is scaled": ("b = Relu(a)\ny = Resize(b, R, S)", {}, True),
    "where a range ends": ("y = Range(S, a, D)", {}, False),
    "itself none": ("b = Relu(x)\ny = Relu(b)", {"a": "bool"}, False),
}


@pytest.mark.parametrize(("text", "dtypes", "only"), FOLLOW.values(), ids=FOLLOW.keys())
def test_whether_only_floats_follow(text: str, dtypes: dict[str, str], only: bool) -> None:
    drawn = graph("x, a", text, "y", **dtypes)
    assert only_floats_follow(drawn, [drawn.inputs[1]]) == only
