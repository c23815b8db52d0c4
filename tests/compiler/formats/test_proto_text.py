"""Every text of a model is looked at, wherever it stands."""

import onnx
import onnx.parser
import pytest

from stagecut.compiler.formats.proto_text import not_text

MODEL = onnx.parser.parse_model("""
    <ir_version: 9, opset_import: ["" : 18]>
    agraph (float[rows] x, bool[1] c) => (float[rows] y) {
        y = If (c) <then_branch = g1 () => (float[rows] a) { a = Relu(x) },
                    else_branch = g2 () => (float[rows] b) { b = Flatten<axis = 0>(x) }>
    }
""")


@pytest.mark.parametrize("text", ["agraph", "rows", "then_branch", "Relu", "axis"])
def test_what_is_not_utf8_is_found(text: str) -> None:
    bad = b"\xff" + text.encode()[1:]
    damaged = MODEL.SerializeToString().replace(text.encode(), bad)
    assert not_text(onnx.ModelProto.FromString(damaged)) == bad


def test_numbers_and_raw_bytes_are_no_text() -> None:
    model = onnx.ModelProto()
    model.CopyFrom(MODEL)
    model.graph.initializer.add(name="w", dims=[1], data_type=1, raw_data=b"\xff\xff\xff\xff")
    model.graph.node[0].attribute.add(name="kept", type=3, s=b"\xff")
    assert not_text(model) is None
