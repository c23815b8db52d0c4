"""Weights in few bits as nodes: there and back, and what is no such weight."""

import re
from collections.abc import Callable

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from stagecut.compiler.formats.quantised_nodes import with_nodes, without_nodes
from stagecut.compiler.formats.quantised_tensor import QuantisedTensor
from tests.support.nodes import sample
from tests.support.quantised import quantised_tensor

W = np.ones((40, 24), np.float32)
CASE = sample(
    "(float[3, 40] x, float[5, 24] z) => (float[3, 24] y, float[5, 40] u) "
    "{ y = MatMul(x, w) u = Gemm <transB = 1> (z, v) }",
    w=W,
    v=W,
)


def _model(*, block: int | None = 32, bits: int = 4) -> ir.Model:
    model = CASE.stage.model.clone()
    weights = model.graph.initializers
    weights["w"].const_value = quantised_tensor("w", bits=bits, block=block)
    weights["v"].const_value = quantised_tensor(
        "v", inner=24, outer=40, bits=bits, block=block, turned=True
    )
    return model


def _read(model: ir.Model) -> ir.Model:
    """As from a file."""
    return ir.from_proto(onnx.load_model_from_string(ir.to_proto(model).SerializeToString()))


@pytest.mark.parametrize(("bits", "block"), [(4, 32), (8, 128), (8, None)])
def test_there_and_back(bits: int, block: int | None) -> None:
    model = _model(bits=bits, block=block)
    written = _read(with_nodes(model))
    assert [node.op_type for node in written.graph] == 2 * ["Dequantise"] + ["MatMul", "Gemm"]
    assert {"w", "v"}.isdisjoint(written.graph.initializers)
    assert without_nodes(written) is None
    assert [node.op_type for node in written.graph] == ["MatMul", "Gemm"]
    assert {*written.graph.initializers} == {"w", "v"}
    assert "stagecut" not in written.graph.opset_imports
    for name, value in written.graph.initializers.items():
        there, back = model.graph.initializers[name].const_value, value.const_value
        assert isinstance(there, QuantisedTensor)
        assert isinstance(back, QuantisedTensor)
        assert (back.matrix.digest, back.turned) == (there.matrix.digest, there.turned)


def test_the_model_that_is_written_stays_as_it_is() -> None:
    model = _model()
    with_nodes(model)
    assert {*model.graph.initializers} == {"w", "v"}
    assert with_nodes(CASE.stage.model) is CASE.stage.model


def test_same_model_same_bytes() -> None:
    one, two = (ir.to_proto(with_nodes(_model())).SerializeToString() for _ in range(2))
    assert one == two


def _attribute(name: str, number: int) -> Callable[[ir.Graph], object]:
    return lambda graph: graph[0].attributes.update({name: ir.AttrInt64(name, number)})


def _scales(graph: ir.Graph) -> None:
    graph.initializers["w/scales"].const_value = ir.tensor(np.ones((24, 3), np.float32))


def _computed(graph: ir.Graph) -> None:
    graph[0].replace_input_with(1, graph.inputs[0])


def _twice(graph: ir.Graph) -> None:
    graph.register_initializer(ir.Value(name="w", const_value=ir.tensor(W, name="w")))


def _other(graph: ir.Graph) -> None:
    graph[0].op_type = "Run"


WRONG = {
    "scales of another shape": (_scales, r"w has scales FLOAT \[24, 3\], not FLOAT \[24, 2\]"),
    "a block that does not fit": (_attribute("block", 16), "has values UINT8"),
    "a block that no engine has": (_attribute("block", 24), "blocks are of 16, 32"),
    "bits that no engine has": (_attribute("bits", 3), "of 4 or of 8 bits, not of 3"),
    "more rows than there are numbers": (_attribute("inner", 1 << 40), "has values UINT8"),
    "less than none": (_attribute("outer", -24), "has no numbers"),
    "turned more than once": (_attribute("turned", 2), "turned 2 times"),
    "no attribute": (lambda graph: graph[0].attributes.pop("bits"), "has no attribute 'bits'"),
    "no integer": (
        lambda graph: graph[0].attributes.update({"bits": ir.AttrString("bits", "4")}),
        "w ",
    ),
    "numbers that are computed": (_computed, "not written from values and scales"),
    "a name that there is already": (_twice, "written twice"),
    "another operator": (_other, "stagecut.Run, which this version lacks"),
}


@pytest.mark.parametrize(("change", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_is_no_such_weight_is_told(change: Callable[[ir.Graph], object], said: str) -> None:
    model = _read(with_nodes(_model()))
    change(model.graph)
    problem = without_nodes(model)
    assert problem is not None
    assert problem.startswith("weight w")
    assert re.search(said, problem)
