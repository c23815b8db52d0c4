"""Graphs as text: what they look like, and that whatever is written reads back."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.errors import ModelError
from stagecut.compiler.ir.graph import Attribute, Graph, Node, Operator, Value
from tests.support.graphs import graphs
from tests.support.onnx_models import MODELS

X, W, Y = (Value(name, "float32", (2, 2), name == "W") for name in "xWy")

TEXT = """\
graph mlp(%x:float32[2x2], %s:"sequence(float32)"[])
  node "my node": MatMul+Gelu(%x) weights (@W:float32[2x2]) -> (%y:float32[2x2]) 20 flops
    q = MatMul 13(%x, @W) -> (%q:bfloat16[0x3])
    gelu = Gelu 1 from com.microsoft(%q, _) captures (%x) {approximate: "tanh", axes: [0, 1]} -> (%y, _)
  return (%y, %x)"""  # noqa: E501

Q = Value("q", "bfloat16", (0, 3))
DRAWN = Graph(
    "mlp",
    (
        Node(
            "my node",
            "MatMul+Gelu",
            (
                Operator("q", "MatMul", "", (X, W), (Q,), version=13),
                Operator(
                    "gelu",
                    "Gelu",
                    "com.microsoft",
                    (Q, None),
                    (Y, None),
                    (X,),
                    {"approximate": "tanh", "axes": (0, 1)},
                    1,
                ),
            ),
            (X,),
            (Y,),
            (W,),
            20,
        ),
    ),
    (X, Value("s", "sequence(float32)", ())),
    (Y, X),
)


def test_how_it_reads() -> None:
    assert str(DRAWN) == TEXT
    assert Graph.parse(TEXT) == DRAWN


def test_blank_lines_and_indentation_do_not_count() -> None:
    assert Graph.parse("\n" + TEXT.replace("    ", "\n\t ") + "\n\n") == DRAWN


@given(graphs())
def test_drawn_graphs_read_back(found: Graph) -> None:
    assert Graph.parse(str(found)) == found


def test_a_state_has_a_mark_where_it_grows() -> None:
    past = Value("past", "float32", (64, 1, 2), grows=0)
    turned = Value("turned", "float32", (1, 2, 64), grows=2)
    operator = Operator("t", "Transpose", "", (past,), (turned,), version=13)
    graph = Graph(
        "step",
        (Node("t", "Transpose", (operator,), (past,), (turned,), (), 0),),
        (past,),
        (turned,),
    )
    assert "%past:float32[64+x1x2]" in str(graph)
    assert "%turned:float32[1x2x64+]" in str(graph)
    assert Graph.parse(str(graph)) == graph


#: Letters, what has a meaning in the text, and whatever else there is.
NAMES = st.text(st.one_of(st.sampled_from('ab_-/+.:%@()[]{}=" ,\\\n\r\u2028'), st.characters()))
VALUES = st.builds(
    Value,
    st.sampled_from(["x", "node", "return", "_", "a b", "", "ü:0"]),
    st.sampled_from(["float32", "string", "sequence(float32)"]),
    st.lists(st.integers(0, 3), max_size=2).map(tuple),
    st.booleans(),
)
FLOATS = st.floats(allow_nan=False)
ATTRIBUTES: st.SearchStrategy[Attribute] = st.one_of(
    st.integers(),
    FLOATS,
    NAMES,
    st.lists(st.integers()).map(tuple),
    st.lists(FLOATS).map(tuple),
    st.lists(NAMES).map(tuple),
)


@st.composite
def hostile_graphs(draw: st.DrawFn) -> Graph:
    """Any names; values of one name with several types; operands that are left out."""
    some = st.lists(VALUES, max_size=3).map(tuple)
    perhaps = st.lists(st.one_of(st.none(), VALUES), max_size=3).map(tuple)
    operators = st.builds(
        Operator,
        NAMES,
        NAMES,
        NAMES,
        perhaps,
        perhaps,
        some,
        st.dictionaries(NAMES, ATTRIBUTES, max_size=2),
        st.integers(0, 30),
    )
    inputs = draw(some)
    known = {value.name for value in inputs}
    nodes: list[Node] = []
    for name in draw(st.lists(NAMES, max_size=3, unique=True)):
        reads = tuple(value for value in draw(some) if value.name in known)
        writes = draw(some)
        inside = tuple(draw(st.lists(operators, max_size=2)))
        flops = draw(st.integers(0))
        nodes.append(Node(name, draw(NAMES), inside, reads, writes, draw(some), flops))
        known |= {value.name for value in writes}
    return Graph(draw(NAMES), tuple(nodes), inputs, draw(some))


@given(hostile_graphs())
def test_every_graph_reads_back(found: Graph) -> None:
    assert Graph.parse(str(found)) == found


@pytest.mark.parametrize("name", MODELS)
def test_every_tiny_model_reads_back(name: str) -> None:
    found = graph_of(load_program(MODELS[name].proto(), shapes=MODELS[name].shapes))
    assert Graph.parse(str(found)) == found


@pytest.mark.parametrize("name", ["tiny-bert", "tiny-resnet"])
def test_graphs_of_the_zoo_read_back(name: str) -> None:
    found = graph_of(load_program(f"zoo:{name}"))
    assert Graph.parse(str(found)) == found


UNREADABLE = {
    "nothing": ("", 1, "a line that begins with 'graph'"),
    "no graph": ("chart g()", 1, "a line that begins with 'graph'"),
    "no end": ("graph g()", 1, "a line that begins with 'return'"),
    "more behind the end": ("graph g()\nreturn ()\nreturn ()", 2, "nothing more"),
    "more behind the outputs": ("graph g()\nreturn () x", 2, "the end of the line"),
    "a value without a type": ("graph g(%x)\nreturn ()", 1, "the type of 'x'"),
    "a shape that is none": ("graph g(%x:f32[2x])\nreturn ()", 1, "a shape"),
    "no sigil": ("graph g(x:f32[2])\nreturn ()", 1, "'%'"),
    "a name without its end": ('graph "g()\nreturn ()', 1, "a name in quotes"),
    "an escape that is none": ('graph "\\q"()\nreturn ()', 1, "a name in quotes"),
    "a node without flops": ("graph g()\nnode a: B() -> () many\nreturn ()", 2, "a number"),
    "an operator without a version": (
        "graph g()\nnode a: B() -> () 0 flops\na = B() -> ()\nreturn ()",
        3,
        "a number",
    ),
    "an attribute that is none": (
        "graph g()\nnode a: B() -> () 0 flops\na = B 1() {c: yes} -> ()\nreturn ()",
        3,
        "the value of an attribute",
    ),
    "an attribute of another kind": (
        "graph g()\nnode a: B() -> () 0 flops\na = B 1() {c: null} -> ()\nreturn ()",
        3,
        "a number, a text or a list",
    ),
}


@pytest.mark.parametrize(("text", "line", "problem"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_is_no_graph_is_refused_by_its_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(ModelError) as error:
        Graph.parse(text)
    assert problem in error.value.problem
    assert (error.value.where, bool(error.value.fix)) == (f"line {line}", True)


@given(st.text(st.one_of(st.sampled_from('graphnode %@():[]{}"\\x1->\n'), st.characters())))
def test_no_text_is_a_traceback(text: str) -> None:
    with suppress(ModelError):
        Graph.parse(f"graph g{text}")
