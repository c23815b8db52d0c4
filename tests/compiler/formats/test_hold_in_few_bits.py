"""A weight that some read in few bits and others in full is there in both."""

import numpy as np
import onnx
import onnx_ir as ir

from stagecut.compiler.formats.hold_in_few_bits import hold_in_few_bits
from stagecut.compiler.formats.quantised_tensor import QuantisedTensor
from stagecut.compiler.ir.device import Tensor
from tests.support.quantised import quantised_tensor

FEW = quantised_tensor("few")
TEXT = """<ir_version: 10, opset_import: ["": 21]>
    it (float[n, 40] x) => (float[n, 24] y, float s)
    { y = MatMul(x, w) s = ReduceSum <keepdims = 0> (w) }
"""


def _model(text: str = TEXT, **others: Tensor) -> ir.Model:
    proto = onnx.parser.parse_model(text)
    weights = {"w": np.ones((40, 24), np.float32), **others}
    proto.graph.initializer.extend(
        onnx.numpy_helper.from_array(array, name) for name, array in weights.items()
    )
    return ir.from_proto(proto)


def _held(model: ir.Model) -> dict[str, bool]:
    """The weights, and whether each is in few bits."""
    weights = model.graph.initializers.items()
    return {name: isinstance(value.const_value, QuantisedTensor) for name, value in weights}


def test_in_its_place_where_all_that_read_it_do_so() -> None:
    model = _model()
    weight = model.graph.initializers["w"]
    hold_in_few_bits(model.graph, weight, [(u.node, u.idx) for u in weight.uses()], FEW)
    assert _held(model) == {"w": True}


def test_beside_it_where_something_else_reads_it() -> None:
    model = _model()
    product = next(node for node in model.graph if node.op_type == "MatMul")
    hold_in_few_bits(model.graph, model.graph.initializers["w"], [(product, 1)], FEW)
    assert _held(model) == {"w": False, "w/int4": True}
    assert product.inputs[1] is model.graph.initializers["w/int4"]


def test_under_a_name_that_is_free() -> None:
    text = TEXT.replace("s = ReduceSum", "t = Add(w, other) s = ReduceSum")
    model = _model(text, other=np.ones(24, np.float32))
    graph = model.graph
    taken = graph.initializers["other"]
    taken.name = "w/int4"
    product = next(node for node in graph if node.op_type == "MatMul")
    hold_in_few_bits(graph, graph.initializers["w"], [(product, 1)], FEW)
    assert _held(model) == {"w": False, "w/int4": False, "w/int4/again": True}
