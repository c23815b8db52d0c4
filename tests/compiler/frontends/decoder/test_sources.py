"""Which output of an encoder a decoder's input reads, by their names."""

import onnx_ir as ir
import pytest

from stagecut.compiler.frontends.decoder.sources import read_from
from stagecut.compiler.ir.errors import UsageError

HIDDEN, MASK = "encoder_hidden_states", "encoder_attention_mask"


def _graph(inputs: str, outputs: str) -> ir.Graph:
    made = [[ir.Value(name=name) for name in names.split()] for names in (inputs, outputs)]
    return ir.Graph(made[0], made[1], nodes=[])


@pytest.mark.parametrize(
    ("encoder", "decoder", "found"),
    [
        (("x", "memory"), "memory", {"memory": "memory"}),
        (("x", "memory_out"), "memory", {"memory": "memory_out"}),
        (("x", "memory_output"), "memory", {"memory": "memory_output"}),
        (("m", "m_out"), "m", {"m": "m_out"}),
        (("mask", "y"), "mask", {"mask": "mask"}),
        (("x", "last_hidden_state"), HIDDEN, {HIDDEN: "last_hidden_state"}),
        (("attention_mask", "y"), MASK, {MASK: "attention_mask"}),
        (("input_ids attention_mask", "y"), "input_ids attention_mask", {}),
    ],
    ids=["same", "out", "output", "both", "an input", "hidden", "mask", "its own"],
)
def test_by_name(encoder: tuple[str, str], decoder: str, found: dict[str, str]) -> None:
    pairs = read_from(_graph(*encoder), _graph(decoder, ""), {})
    assert {target.name: source.name for target, source in pairs.items()} == found


def test_what_is_asked_for_comes_first() -> None:
    encoder, decoder = _graph("x", "memory other"), _graph("memory", "")
    [source] = read_from(encoder, decoder, {"other": "memory"}).values()
    assert source.name == "other"
    for asked, problem in (({"a": "memory"}, "has no 'a'"), ({"other": "b"}, "reads no 'b'")):
        with pytest.raises(UsageError, match=problem):
            read_from(encoder, decoder, asked)
