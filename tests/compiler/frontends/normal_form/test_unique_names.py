"""Every node and value gets a name of its own, and those that users see stay."""

import onnx_ir as ir
import pytest

from stagecut.compiler.frontends.normal_form.unique_names import give_names
from stagecut.compiler.frontends.normal_form.walk import defined
from tests.support.onnx_models import MODELS, TinyModel


def _named(body: str) -> ir.Model:
    model = TinyModel(body).ir()
    give_names(model)
    return model


def _values(model: ir.Model) -> list[str | None]:
    once = dict.fromkeys(value for graph in model.graphs() for value in defined(graph))
    return [value.name for value in once]


@pytest.mark.parametrize("name", MODELS)
def test_every_name_is_unique(name: str) -> None:
    model = MODELS[name].ir()
    give_names(model)
    values = [value for value in _values(model) if value]
    nodes = [node.name for graph in model.graphs() for node in graph]
    assert len(set(values)) == len(values)
    assert len(set(nodes)) == len(nodes)
    assert all(nodes)


def test_nodes_without_a_name_are_called_after_their_operator() -> None:
    model = _named("g (float[2] x) => (float[2] y) { a = Neg(x)  [keep] b = Neg(a)  y = Neg(b) }")
    assert [node.name for node in model.graph] == ["Neg", "keep", "Neg_1"]


def test_a_name_that_is_taken_later_is_not_given_away() -> None:
    model = _named(
        "g (float[2] x) => (float[2] y) { [n] a = Neg(x)  [n] b = Neg(a)  [n_1] y = Neg(b) }"
    )
    assert [node.name for node in model.graph] == ["n", "n_2", "n_1"]


def test_outputs_keep_their_names_before_inputs_and_weights() -> None:
    model = TinyModel("g (float[2] x) => (float[2] y) <float[2] w = {1, 2}> { y = Add(x, w) }").ir()
    model.graph.outputs[0].name = "w"
    give_names(model)
    assert _values(model) == ["x", "w_1", "w"]
    assert list(model.graph.initializers) == ["w_1"]


def test_outputs_left_out_stay_left_out() -> None:
    model = _named(
        "g (float[2,4] x) => (float[2,1] d) <float[4] s = {1,1,1,1}>"
        "{ y, , d = LayerNormalization(x, s) }"
    )
    assert [value.name for value in model.graph.node(0).outputs] == ["y", "", "d"]


def test_a_value_that_is_read_without_a_name_gets_one() -> None:
    model = TinyModel("g (float[2] x) => (float[2] y) { t = Neg(x)  y = Neg(t) }").ir()
    model.graph.node(0).outputs[0].name = None
    give_names(model)
    assert _values(model) == ["x", "value", "y"]
