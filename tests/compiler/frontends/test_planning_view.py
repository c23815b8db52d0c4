"""The planning view: one node for each operator, with values, weights and captured values."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from stagecut.compiler.entries import decode_step
from stagecut.compiler.frontends.load import import_model
from stagecut.compiler.frontends.normal_form.normalise import normalise
from stagecut.compiler.frontends.onnx_file import import_proto
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.graph import Graph, Node
from stagecut.compiler.ir.state import DecodingOptions
from tests.support.decoders import tiny_decoder
from tests.support.onnx_models import MODELS


def _graph(name: str) -> Graph:
    model = MODELS[name]
    return graph_of(normalise(import_proto(model.proto()), shapes=model.shapes))


def _node(name: str, op: str) -> Node:
    return next(node for node in _graph(name).nodes if node.op == op)


DRAWN = {
    "chain": """
        graph chain(%x:float32[2x4])
          %xw:float32[2x3] = MatMul(%x)  # MatMul
          %xwb:float32[2x3] = Add(%xw)  # Add
          %y:float32[2x3] = Relu(%xwb)  # Relu
          return %y
    """,
    "residual": """
        graph residual(%x:float32[2x4])
          %h:float32[2x4] = MatMul(%x)  # MatMul
          %r:float32[2x4] = Relu(%h)  # Relu
          %s:float32[2x4] = Add(%r, %x)  # Add
          %t:float32[2x4] = MatMul(%s)  # MatMul_1
          %y:float32[2x4] = Add(%t, %s)  # Add_1
          return %y
    """,
    "if with captured values": """
        graph choose(%x:float32[2x2])
          %h:float32[2x2] = Relu(%x)  # Relu
          %sum:float32[] = ReduceSum(%h)  # ReduceSum
          %positive:bool[] = Greater(%sum)  # Greater
          %y:float32[2x2] = If(%positive, %h, %x)  # If
          return %y
    """,
    "sequence": """
        graph sequence(%x:float32[4x2], %at:int64[])
          %parts:sequence(float32)[] = SplitToSequence(%x)  # SplitToSequence
          %one:float32[1x2] = SequenceAt(%parts, %at)  # SequenceAt
          %bent:sequence(float32)[] = SequenceInsert(%parts, %one)  # SequenceInsert
          %shorter:sequence(float32)[] = SequenceErase(%bent)  # SequenceErase
          %y:float32[4x2] = ConcatFromSequence(%shorter)  # ConcatFromSequence
          return %y, %one
    """,
    "optional": """
        graph optional(%x:float32[2])
          %wrapped:optional(float32)[] = Optional(%x)  # Optional
          %inner:float32[2] = OptionalGetElement(%wrapped)  # OptionalGetElement
          %y:float32[2] = Neg(%inner)  # Neg
          return %y
    """,
    "strings": """
        graph strings(%s:string[2])
          %t:string[2] = StringConcat(%s)  # StringConcat
          %same:bool[2] = Equal(%s, %t)  # Equal
          return %t, %same
    """,
    "dead code": """
        graph dead(%x:float32[2], %unused:float32[2])
          %y:float32[1] = Split(%x)  # Split
          return %y
    """,
    "zero-size tensors": """
        graph empty(%none:float32[0x3], %some:float32[2x3])
          %y:float32[2x3] = Identity(%some)  # node_Identity_1
          %z:float32[0x3] = Neg(%none)  # Neg
          return %y, %z
    """,
}


@pytest.mark.parametrize(("name", "drawn"), DRAWN.items(), ids=DRAWN.keys())
def test_view(name: str, drawn: str) -> None:
    lines = drawn.strip("\n").splitlines()[:-1]
    assert [*_drawn(_graph(name))] == [line[8:] for line in lines]


def _drawn(graph: Graph) -> Iterator[str]:
    """The border and the nodes, without what is inside; all of it is in graph_text.py."""
    yield f"graph {graph.name}({', '.join(map(str, graph.inputs))})"
    yield from (f"  {node}" for node in graph.nodes)
    yield f"  return {', '.join(f'%{value.name}' for value in graph.outputs)}"


@pytest.mark.parametrize("name", MODELS)
def test_every_operator_is_a_node_of_its_own(name: str) -> None:
    for node in _graph(name).nodes:
        (operator,) = node.operators
        assert (node.name, node.op) == (operator.name, operator.op)
        assert (*node.inputs, *node.weights) == tuple(
            sorted(operator.reads, key=lambda value: value.constant)
        )
        assert set(node.outputs) <= set(operator.writes)


def test_constants_are_weights() -> None:
    node = _node("chain", "MatMul")
    assert [str(weight) for weight in node.weights] == ["%w:float32[4x3]"]
    assert node.weight_bytes == 48


def test_constants_that_a_body_reads_are_weights_too() -> None:
    node = _node("if with captured values", "If")
    (operator,) = node.operators
    assert [value.name for value in operator.inputs if value] == ["positive"]
    assert [value.name for value in operator.captured] == ["h", "w", "x"]
    assert [weight.name for weight in node.weights] == ["w"]


def test_a_loop_reads_what_its_body_captures() -> None:
    node = _node("loop", "Loop")
    assert [value.name for value in node.inputs] == ["x"]
    assert [weight.name for weight in node.weights] == ["trips", "go", "step"]


def test_bodies_inside_bodies_capture_too() -> None:
    node = _node("nested bodies", "Loop")
    assert [value.name for value in node.inputs] == ["x", "up", "deep"]
    assert [weight.name for weight in node.weights] == ["trips", "go", "step", "half"]


def test_measured_shapes_are_seen_as_bound() -> None:
    graph = _graph("data-dependent shape")
    where, found = graph.outputs
    assert where.shape[0] == 2
    assert found.shape == where.shape[1:]
    assert found.elements > 0


def test_operands_left_out_are_none() -> None:
    (clip,) = _node("optional operands", "Clip").operators
    assert [value and value.name for value in clip.inputs] == ["x", None, "top"]
    (norm,) = _node("optional operands", "LayerNormalization").operators
    assert [value and value.name for value in norm.outputs] == ["y", None, "inverse"]


def test_attributes_are_numbers_text_and_lists_of_them() -> None:
    (conv,) = _node("convolution", "Conv").operators
    assert conv.attributes == {"pads": (1, 1, 1, 1), "strides": (2, 2)}
    (product,) = _node("einsum", "Einsum").operators
    assert product.attributes == {"equation": "bij,bjk->bik"}
    (scan,) = _node("scan", "Scan").operators
    assert scan.attributes == {"num_scan_inputs": 1}


@pytest.mark.parametrize(
    ("name", "op", "domain", "version"),
    [
        ("chain", "MatMul", "", 21),
        ("contributed operators", "FusedMatMul", "com.microsoft", 1),
    ],
)
def test_the_version_is_that_of_the_opset(name: str, op: str, domain: str, version: int) -> None:
    (operator,) = _node(name, op).operators
    assert (operator.domain, operator.version) == (domain, version)


def test_states_grow_along_their_rows_in_whatever_layout() -> None:
    imported, _ = import_model(tiny_decoder())
    program, _ = decode_step(imported, None, DecodingOptions(length=40), {})
    graph = graph_of(program)
    grown = {
        value.name: (value.grows, value.shape[value.grows])
        for node in graph.nodes
        for value in (*node.inputs, *node.outputs)
        if value.grows is not None
    }
    assert grown["past_key_values.0.key"] == (0, 40)
    assert sorted({found for name, found in grown.items() if "past" not in name}) == [
        (0, 41),
        (2, 41),
        (3, 41),
    ]
    assert all(value.grows is None for value in graph_of(replace(program, states=())).inputs)
