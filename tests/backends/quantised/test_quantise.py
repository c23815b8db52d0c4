"""Stages as the quantising tools leave them."""

import logging
from collections import Counter

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from stagecut import backends
from stagecut.backends.quantised import products
from stagecut.backends.quantised.quantise import quantised
from stagecut.backends.quantised.scheme import PRECISIONS, Scheme
from stagecut.compiler.formats.node_ranges import Range, put_ranges
from stagecut.compiler.ir.device import StageProgram
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.onnx_runtime import ort, quantization
from tests.support.calibrated import CASES as CALIBRATED
from tests.support.nodes import Sample, sample
from tests.support.quantised import tools_own_model

_rng = np.random.default_rng(0)
W = _rng.standard_normal((40, 24)).astype(np.float32)
SHARED = sample(
    "(float[3, 40] x, float[5, 24] z) => (float[3, 24] y, float[5, 40] u) "
    "{ y = MatMul(x, w) u = Gemm <transB = 1> (z, w) }",
    w=W,
)
LARGE = sample(
    "(float[3, 40] x) => (float[3, 24] y) { h = MatMul(x, w) y = Add(h, b) }", w=W, b=W[0]
)


for _case in (SHARED, LARGE):
    put_ranges(_case.stage.model, {"x": Range(-6, 6), "z": Range(-6, 6)})


def _scheme(precision: str) -> Scheme:
    return Scheme.of(precision, precision, {})


def _operators(case: Sample, precision: str) -> Counter[str]:
    stage, _ = quantised(case.stage, _scheme(precision))
    return Counter(node.op_type for node in stage.model.graph)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_product_is_quantised_a_gemm_too(precision: str) -> None:
    found = _operators(SHARED, precision)
    assert found["MatMulNBits"] + found["MatMulInteger"] + found["QuantizeLinear"] == 2
    assert not found["Gemm"]
    assert found["MatMul"] == found["QuantizeLinear"]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_stage_that_was_given_stays_as_it_is(precision: str) -> None:
    before = onnx.printer.to_text(ir.to_proto(SHARED.stage.model))
    quantised(SHARED.stage, _scheme(precision))
    assert onnx.printer.to_text(ir.to_proto(SHARED.stage.model)) == before


def test_the_weight_in_full_is_gone_where_nothing_else_reads_it() -> None:
    stage, _ = quantised(LARGE.stage, _scheme("int4"))
    assert "w" not in stage.model.graph.initializers
    assert "b" in stage.model.graph.initializers


def test_a_weight_in_use_is_quantised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first, kept = quantised(LARGE.stage, _scheme("int8"))
    monkeypatch.setattr(products, "_written", None)
    _, again = quantised(LARGE.stage, _scheme("int8"))
    assert [id(each) for each in kept] == [id(each) for each in again]
    assert first.model.graph.initializers


@pytest.mark.parametrize("precision", ["int8", "int4", "int8-dynamic"])
def test_a_product_computes_what_the_tools_own_model_does(precision: str) -> None:
    scheme = _scheme(precision)
    theirs = tools_own_model(W, scheme)
    for node in theirs.graph.node:
        if node.op_type == "MatMulNBits":
            node.attribute.append(onnx.helper.make_attribute("accuracy_level", 4))
    x = np.random.default_rng(1).standard_normal((3, 40)).astype(np.float32)
    providers = ["CPUExecutionProvider"]
    options = ort.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")  # sums of 16 bits are few
    session = ort.InferenceSession(theirs.SerializeToString(), options, providers=providers)
    [expected] = session.run(None, {"x": x})
    case = sample("(float[3, 40] x) => (float[3, 24] y) { y = MatMul(x, w) }", w=W)
    wide = ":weights=8" if precision == "int8-dynamic" else ""
    [found] = backends.create(f"cpu.{precision}.serial{wide}").prepare(case.stage)([x])
    np.testing.assert_array_equal(found, expected)


def test_what_a_tool_leaves_as_it_is_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    tool = quantization().matmul_nbits_quantizer.MatMulNBitsQuantizer
    monkeypatch.setattr(tool, "process", lambda self: None)
    with pytest.raises(EngineError, match="leaves the product as it is"):
        quantised(sample_of(1), _scheme("int8"))


def sample_of(seed: int) -> StageProgram:
    weight = np.random.default_rng(seed).standard_normal((32, 8)).astype(np.float32)
    text = "(float[3, 32] x) => (float[3, 8] y) { y = MatMul(x, w) }"
    return sample(text, w=weight).stage


@pytest.mark.parametrize("precision", PRECISIONS)
def test_fewer_bits_are_further_off_and_all_are_near(precision: str) -> None:
    off = {}
    for each in (precision, "int4"):
        feeds = SHARED.feeds()
        outputs = backends.create(f"cpu.{each}.serial").prepare(SHARED.stage)(feeds)
        expected = SHARED.reference(feeds)
        off[each] = max(
            float(np.sqrt(np.mean((a - b) ** 2) / np.mean(b**2)))
            for a, b in zip(outputs, expected, strict=True)
        )
    assert 0 < off[precision] <= off["int4"] < 0.2


def test_the_tools_change_no_logging() -> None:
    before = [*logging.root.handlers], logging.root.level, logging.root.manager.disable
    quantised(sample_of(2), _scheme("int8"))
    assert ([*logging.root.handlers], logging.root.level, logging.root.manager.disable) == before


def test_ways_around_a_convolution_are_rounded_too() -> None:
    """So that engines hand on integers there, and read a quarter of the memory."""
    stage, _ = quantised(CALIBRATED["a way around a convolution"].stage, _scheme("int8-static"))
    last = [node for node in stage.model.graph if node.op_type == "Add"][-1]
    writers = [value.producer() for value in last.inputs if value is not None]
    assert [each and each.op_type for each in writers] == ["DequantizeLinear"] * 2
    rounded = [node for node in stage.model.graph if node.op_type == "QuantizeLinear"]
    assert len(rounded) == 2
