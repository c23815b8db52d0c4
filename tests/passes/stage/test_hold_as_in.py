"""Which weights of a model with open dimensions are in few bits."""

from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from stagecut.compiler.formats.quantised_tensor import QuantisedTensor
from stagecut.passes.stage.hold_as_in import hold_as_in
from tests.support.quantised import quantised_tensor

FULL = np.ones((40, 24), np.float32)
TEXT = """<ir_version: 10, opset_import: ["": 21]>
    it (float[n, 40] x) => (float[n, 24] y, float[n, 24] u)
    { y = MatMul(x, w)  r = Relu(x)  u = MatMul(r, v) }
"""


def _model(weights: Mapping[str, QuantisedTensor], text: str = TEXT) -> ir.Model:
    """Its weights w and v, in full unless they are given."""
    proto = onnx.parser.parse_model(text)
    proto.graph.initializer.extend(onnx.numpy_helper.from_array(FULL, name) for name in "wv")
    model = ir.from_proto(proto)
    for name, tensor in weights.items():
        model.graph.initializers[name].const_value = tensor
    return model


def _held(model: ir.Model) -> set[str]:
    weights = model.graph.initializers.items()
    return {name for name, value in weights if isinstance(value.const_value, QuantisedTensor)}


FEW, SAME, OTHER = (quantised_tensor("few", bits=bits) for bits in (4, 4, 8))
TURNED = quantised_tensor("few", inner=24, outer=40, turned=True)
CASES = {
    "as in the one stage": ([{"w": FEW}], {"w"}),
    "each as in its stage": ([{"w": FEW, "v": OTHER}], {"w", "v"}),
    "alike in two variants": ([{"w": FEW}, {"w": SAME}], {"w"}),
    "in full in one of two": ([{"w": FEW, "v": FEW}, {"v": FEW}], {"v"}),
    "otherwise in one of two": ([{"w": FEW}, {"w": OTHER}], set()),
    "turned in one of two": ([{"w": FEW}, {"w": TURNED}], set()),
    "no stage": ([], set()),
}


@pytest.mark.parametrize(("stages", "held"), CASES.values(), ids=CASES.keys())
def test_a_weight_is_in_few_bits_where_every_stage_has_it_so(
    stages: list[dict[str, QuantisedTensor]], held: set[str]
) -> None:
    model = _model({})
    hold_as_in(model, map(_model, stages))
    assert _held(model) == held
    for name in held:
        tensor = model.graph.initializers[name].const_value
        assert isinstance(tensor, QuantisedTensor)
        assert tensor.name == name
        assert tensor.matrix.digest == stages[0][name].matrix.digest


def test_a_node_that_no_stage_has_reads_in_full() -> None:
    shared = TEXT.replace("MatMul(r, v)", "MatMul(r, w)")
    model = _model({}, shared)
    hold_as_in(model, [_model({"w": FEW})])
    read = [value.name for node in model.graph for value in node.inputs if value is not None]
    assert read == ["x", "w/int4", "x", "r", "w"]
    assert _held(model) == {"w/int4"}
    model = _model({}, shared)
    hold_as_in(model, [_model({"w": FEW}, shared)])
    assert _held(model) == {"w"}


def test_what_it_holds_in_few_bits_of_its_own_stays_so() -> None:
    model = _model({"w": OTHER})
    hold_as_in(model, [_model({"w": FEW, "v": FEW})])
    assert _held(model) == {"w", "v"}
    assert model.graph.initializers["w"].const_value is OTHER
