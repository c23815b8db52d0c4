"""Rows first: what a decoder computes stays what it was, whatever reads its cache."""

import numpy as np
import onnx
import onnx.helper
import onnx_ir as ir
import pytest

from stagecut.compiler.frontends.decoder.states import Joined, begin, grow
from stagecut.compiler.ir.errors import ModelError
from stagecut.compiler.onnx_runtime import ort
from tests.support.decoders import STATES, tiny_decoder


def _joined(model: ir.Model) -> list[Joined]:
    inputs = {value.name: value for value in model.graph.inputs}
    outputs = {value.name: value for value in model.graph.outputs}
    return [Joined.of(inputs[past], outputs[present], 1) for past, present in STATES.items()]


def _read_otherwise(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The model with two further outputs: all sizes of a state, and a sum of it."""
    past = "past_key_values.0.value"
    proto.graph.node.insert(0, onnx.helper.make_node("Shape", [past], ["sizes"]))
    proto.graph.node.insert(0, onnx.helper.make_node("ReduceSum", [past], ["sum_of_it"]))
    for name, kind in (("sizes", onnx.TensorProto.INT64), ("sum_of_it", onnx.TensorProto.FLOAT)):
        proto.graph.output.append(onnx.helper.make_tensor_value_info(name, kind, None))
    return proto


def _run(model: ir.Model | onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    proto = ir.to_proto(model) if isinstance(model, ir.Model) else model
    found: list[np.ndarray] = ort.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    ).run(None, feeds)
    return found


def _feeds(length: int, count: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(length)
    states = {name: rng.standard_normal((1, 2, length, 4)).astype(np.float32) for name in STATES}
    return {
        "input_ids": rng.integers(0, 23, (1, count)),
        "attention_mask": np.ones((1, length + count), np.int64),
        "position_ids": np.arange(length, length + count)[None],
        **states,
    }


@pytest.mark.parametrize("count", [1, 3])
def test_grows_by_rows(count: int) -> None:
    proto = _read_otherwise(tiny_decoder())
    model = ir.from_proto(proto)
    for joined in _joined(model):
        grow(model.graph, joined, ir.SymbolicDim("seq"))
    feeds = _feeds(6, count)
    turned = {name: np.moveaxis(feeds[name], 2, 0) for name in STATES}
    logits, *present, sizes, total = _run(proto, feeds)
    found, *rows, same_sizes, same_total = _run(model, {**feeds, **turned})
    np.testing.assert_allclose(found, logits, atol=1e-5)
    for new, whole in zip(rows, present, strict=True):
        np.testing.assert_allclose(new, np.moveaxis(whole, 2, 0)[6:], atol=1e-6)
    assert same_sizes.tolist() == sizes.tolist() == [1, 2, 6, 4]
    np.testing.assert_allclose(same_total, total, rtol=1e-5)


def test_begins_with_nothing() -> None:
    proto = _read_otherwise(tiny_decoder())
    model = ir.from_proto(proto)
    for joined in _joined(model):
        begin(model.graph, joined, ir.SymbolicDim("seq"))
    assert not {*STATES} & {value.name for value in model.graph.inputs}
    feeds = _feeds(0, 5)
    logits, *present, sizes, total = _run(proto, feeds)
    left = {name: array for name, array in feeds.items() if name not in STATES}
    found, *rows, same_sizes, same_total = _run(model, left)
    np.testing.assert_allclose(found, logits, atol=1e-5)
    for new, whole in zip(rows, present, strict=True):
        np.testing.assert_allclose(new, np.moveaxis(whole, 2, 0), atol=1e-6)
    assert same_sizes.tolist() == sizes.tolist() == [1, 2, 0, 4]
    assert same_total == total == 0


def test_a_cache_that_does_not_grow_by_concatenation() -> None:
    proto = tiny_decoder()
    concat = next(node for node in proto.graph.node if node.output[0] == "present.0.value")
    concat.op_type = "Sum"
    with pytest.raises(ModelError, match=r"present\.0\.value is not a Concat"):
        _joined(ir.from_proto(proto))


def test_numbers_that_numpy_does_not_have() -> None:
    model = ir.from_proto(tiny_decoder())
    joined = _joined(model)[0]
    assert (joined.state.row, joined.state.axis, joined.state.dtype) == ((1, 2, 4), 2, "float32")
    joined.past.type = ir.TensorType(ir.DataType.BFLOAT16)
    with pytest.raises(ModelError, match="bfloat16, which a sequence cannot keep"):
        _ = joined.state
