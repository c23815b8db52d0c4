"""Normal form: what holds of every program, and that it computes what the model computed."""

from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecut.compiler.formats.model_tensors import bodies
from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.frontends.normal_form.normalise import normalise
from stagecut.compiler.frontends.normal_form.walk import defined
from stagecut.compiler.frontends.onnx_file import import_proto
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import FeedError, ModelError, ShapeError
from stagecut.compiler.ir.program import Program
from tests.support.onnx_models import MODELS, TinyModel
from tests.support.reference import random_feeds, run_reference


def _program(model: TinyModel, feeds: Feeds | None = None) -> Program:
    return normalise(import_proto(model.proto()), shapes=model.shapes, feeds=feeds)


def _operators(program: Program) -> list[str]:
    return [node.op_type for node in program.model.graph]


# ---------------------------------------------------------------- what holds of every program


@pytest.mark.parametrize("name", MODELS)
def test_computes_what_the_model_computed(name: str) -> None:
    model = MODELS[name]
    for seed in range(3):
        feeds = random_feeds(model.proto(), model.shapes, seed=seed)
        program = _program(model, feeds)
        expected = run_reference(model.proto(), feeds)
        for found, wanted in zip(
            run_reference(program.model, program.feeds), expected, strict=True
        ):
            assert found.dtype == wanted.dtype
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", MODELS)
def test_is_in_normal_form(name: str) -> None:
    program = _program(MODELS[name])
    graph = program.model.graph
    assert not program.model.functions
    assert list(program.feeds) == [value.name for value in graph.inputs]
    assert len({value.name for value in graph.outputs}) == len(graph.outputs)
    assert not any(value.is_graph_input() or value.is_initializer() for value in graph.outputs)
    assert not any(value.is_initializer() for value in graph.inputs)
    assert not any(node.op_type == "Constant" for node in graph)
    for node in graph:
        for value in node.outputs:
            if value.name and isinstance(value.type, ir.TensorType):
                static = value.shape is not None and value.shape.is_static()
                assert static != (value.name in program.measured)


@pytest.mark.parametrize("name", MODELS)
def test_leaves_the_callers_model_as_it_was(name: str) -> None:
    model = MODELS[name]
    proto = model.proto()
    before = proto.SerializeToString(deterministic=True)
    ir.to_proto(normalise(import_proto(proto), shapes=model.shapes).model)
    assert proto.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("name", MODELS)
def test_is_the_same_every_time(name: str) -> None:
    first, second = (ir.to_proto(_program(MODELS[name]).model) for _ in range(2))
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(
        deterministic=True
    )


@pytest.mark.parametrize("name", MODELS)
def test_a_program_is_its_own_normal_form(name: str) -> None:
    once = _program(MODELS[name])
    twice = normalise(import_proto(ir.to_proto(once.model)))
    assert _operators(twice) == _operators(once)
    assert list(twice.feeds) == list(once.feeds)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(0, 5), st.sampled_from(["x", "feeds"]))
def test_any_shape_that_fits_is_bound_inside_the_program(batch: int, seq: int, by: str) -> None:
    model = MODELS["shape arithmetic"]
    feeds = {"x": np.random.default_rng(batch).standard_normal((batch, seq, 8), np.float32)}
    program = normalise(
        import_proto(model.proto()),
        shapes={"x": (batch, seq, 8)} if by == "x" else None,
        feeds=feeds if by == "feeds" else None,
    )
    assert _operators(program) in (["Reshape", "Transpose"], ["Reshape"])
    assert program.model.graph.outputs[0].shape == (batch, 2, seq, 4)
    np.testing.assert_array_equal(
        run_reference(program.model, feeds)[0], run_reference(model.proto(), feeds)[0]
    )


# ---------------------------------------------------------------- one thing after another

STEPS: Mapping[str, tuple[str, list[str]]] = {
    "arithmetic on shapes is folded": ("shape arithmetic", ["Reshape", "Transpose"]),
    "functions are inlined": ("local functions", ["Mul", "Mul", "Mul", "Mul"]),
    "an If on a constant is decided": ("if on a constant", ["Mul"]),
    "an If on data stays": ("if with captured values", ["Relu", "ReduceSum", "Greater", "If"]),
    "a small ConstantOfShape is folded": (
        "convolution",
        ["Conv", "BatchNormalization", "MaxPool", "GlobalAveragePool", "Flatten"],
    ),
    "dead nodes are dropped": ("dead code", ["Split"]),
    "an output that is an input gets an Identity": ("input as output", ["Neg", "Identity"]),
    "an output that is a weight gets an Identity": ("initializer as output", ["Add", "Identity"]),
    "an output that is there twice gets an Identity": (
        "repeated outputs",
        ["Neg", "Identity", "Identity"],
    ),
    "quantization stays": (
        "quantized",
        ["DequantizeLinear", "QuantizeLinear", "DequantizeLinear", "MatMul"],
    ),
}


@pytest.mark.parametrize(("name", "operators"), STEPS.values(), ids=STEPS.keys())
def test_operators(name: str, operators: list[str]) -> None:
    assert _operators(_program(MODELS[name])) == operators


OUTPUTS: Mapping[str, list[str]] = {
    "input as output": ["y", "mask"],
    "initializer as output": ["y", "w"],
    "constants as outputs": ["y", "shape", "c", "twin"],
    "repeated outputs": ["y", "y_alias_1", "z"],
    "if on a constant": ["y"],
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs_keep_their_names(name: str) -> None:
    program = _program(MODELS[name])
    assert [value.name for value in program.model.graph.outputs] == OUTPUTS[name]


def test_an_input_makes_way_for_the_output_of_its_name() -> None:
    feeds = {"x": np.ones(2, np.float32), "mask": np.array([3, 4])}
    program = _program(MODELS["input as output"], feeds)
    assert list(program.feeds) == ["x", "mask_orig"]
    assert program.feeds["mask_orig"].tolist() == [3, 4]


def test_constants_inside_bodies_become_weights_of_the_graph() -> None:
    program = _program(MODELS["branches that share names"])
    (node,) = program.model.graph
    assert sorted(program.model.graph.initializers) == ["k", "k_1"]
    assert not any(body.initializers for body in bodies(node))


def test_an_output_that_is_left_out_stays_out() -> None:
    """Naming it would make the engine compute it, or refuse the model."""
    program = _program(MODELS["optional operands of a contributed operator"])
    assert [value.name for value in program.model.graph.node(0).outputs] == ["y", "", "", "sum"]


def test_shapes_that_depend_on_data_are_measured_and_stay_open() -> None:
    feeds = {"x": np.array([[1, -1, 2], [-1, 3, -1]], np.float32)}
    program = _program(MODELS["data-dependent shape"], feeds)
    assert program.measured == {"where": (2, 3), "at": (3, 2), "found": (3,)}
    other = {"x": np.ones((2, 3), np.float32)}
    assert run_reference(program.model, other)[1].shape == (6,)


def test_shapes_of_contributed_operators_are_not_measured() -> None:
    program = _program(MODELS["contributed operators"])
    assert _operators(program) == ["FastGelu", "FusedMatMul"]
    assert not program.measured


def test_weights_are_not_copied() -> None:
    array = np.ones((4, 3), np.float32)
    model = MODELS["chain"].ir()
    model.graph.initializers["w"].const_value = ir.Tensor(array, name="w")
    program = normalise(Imported("chain", model, {}, "memory"))
    weight = program.model.graph.initializers["w"].const_value
    assert weight is not None
    assert np.shares_memory(weight.numpy(), array)


def test_notes_of_exporters_are_dropped() -> None:
    model = MODELS["shape arithmetic"].proto()
    model.graph.node[0].doc_string = "/home/somebody/model.py"
    model.graph.node[0].metadata_props.add(key="trace", value="/home/somebody/model.py")
    program = normalise(import_proto(model), shapes={"x": (1, 2, 8)})
    assert b"somebody" not in ir.to_proto(program.model).SerializeToString()
    values = [value for graph in program.model.graphs() for value in defined(graph)]
    assert not any(value.metadata_props for value in values)


def test_a_value_recorded_for_other_shapes_is_inferred_anew() -> None:
    model = MODELS["symbolic dimensions"].proto()
    model.graph.value_info.append(
        onnx.helper.make_tensor_value_info("f", onnx.TensorProto.FLOAT, [9, 9])
    )
    program = normalise(import_proto(model), shapes={"ids": (2, 5), "scale": (2, 3)})
    assert program.model.graph.node(0).outputs[0].shape == (2, 5)


def test_folding_that_fails_leaves_the_model_as_it_is() -> None:
    """Index 7 of a shape of rank 1 trips onnxscript; the branch is never taken."""
    program = _program(
        TinyModel("""
            trap (float[2] x, bool c) => (int64[1] y) <int64[1] at = {7}, int64[1] zero = {0}>
            { y = If(c) < then_branch = a () => (int64[1] t) { t = Identity(zero) },
                          else_branch = b () => (int64[1] e) { s = Shape(x)
                                                               e = Gather<axis = 0>(s, at) } > }
        """)
    )
    assert _operators(program) == ["If"]
    assert run_reference(program.model, program.feeds)[0].tolist() == [0]


def test_old_models_with_weights_as_inputs_are_read() -> None:
    model = MODELS["overridable weight"].proto()
    model.ir_version = 3
    program = normalise(import_proto(model))
    assert list(program.feeds) == ["x"]
    assert program.model.ir_version == 4


# ---------------------------------------------------------------- what is refused

REFUSED: Mapping[str, tuple[TinyModel, type[Exception], str]] = {
    "a symbol that nothing binds": (
        TinyModel("g (float[n] x) => (float[n] y) { y = Neg(x) }"),
        ShapeError,
        r"input x: n of its shape n is not bound",
    ),
    "a sequence as input": (
        TinyModel("g (seq(float[2]) x) => (float[2] y) { y = ConcatFromSequence<axis = 0>(x) }"),
        ModelError,
        "input x: its type is Sequence",
    ),
    "a sequence as output": (
        TinyModel("g (float[2] x) => (seq(float[2]) y) { y = SequenceConstruct(x) }"),
        ModelError,
        "output y: .* only tensors can be handed back",
    ),
    "shapes that do not fit each other": (
        TinyModel("g (float[2] x, float[3] w) => (float[2] y) { y = Add(x, w) }"),
        ModelError,
        "ONNX Runtime (refuses|cannot run) it",
    ),
    "an operator without its operand": (
        TinyModel("g () => (float[2] y) { y = ConstantOfShape() }"),
        ModelError,
        "has 0 inputs, not 1",
    ),
    "a Constant whose value is not where it should be": (
        TinyModel("g (float x) => (float y) { k = Constant<value_float = 3>()  y = Add(x, k) }"),
        ModelError,
        "its attribute value_float is of type int, not float",
    ),
    "a function that calls itself": (
        TinyModel("""
            g (float[2] x) => (float[2] y) { y = local.f(x) }
            <domain: "local", opset_import: ["": 21, "local": 1]> f (a) => (b) { b = local.f(a) }
        """),
        ModelError,
        "its functions cannot be inlined",
    ),
}


@pytest.mark.parametrize(("model", "kind", "problem"), REFUSED.values(), ids=REFUSED.keys())
def test_is_refused(model: TinyModel, kind: type[Exception], problem: str) -> None:
    with pytest.raises(kind, match=problem):
        _program(model)


def test_feeds_of_another_shape_than_asked_for_are_refused() -> None:
    imported = import_proto(MODELS["symbolic dimensions"].proto())
    feeds: Feeds = {"ids": np.ones((2, 5), np.int64), "scale": np.ones((2, 3), np.float32)}
    with pytest.raises(ShapeError, match="ids"):
        normalise(imported, shapes={"ids": (2, 6)}, feeds=feeds)


def test_feeds_that_are_incomplete_are_refused() -> None:
    imported = import_proto(MODELS["symbolic dimensions"].proto())
    with pytest.raises(FeedError, match="input scale"):
        normalise(imported, feeds={"ids": np.ones((2, 5), np.int64)})
