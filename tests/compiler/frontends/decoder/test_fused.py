"""Attention that keeps a cache inside: the same tokens as the model itself, a row a token kept."""

import onnx_ir as ir
import pytest

from stagecut.compiler.frontends.decoder.fused import with_growth
from stagecut.runtime.decoding.generate import Generator
from tests.support.decoders import PROMPT, PlainLoop, decoder_plan, tiny_decoder

ROWS = {"Attention": (1, 2, 4), "GroupQueryAttention": (1, 1, 8)}


@pytest.mark.parametrize("fused", ROWS)
def test_tokens_are_those_of_the_model_itself(fused: str) -> None:
    model = tiny_decoder(fused)
    expected = PlainLoop(model).greedy(PROMPT, 20)
    assert len({*expected}) > 3
    plan = decoder_plan(model)
    assert plan.decoding is not None
    assert [state.row for state in plan.decoding.states] == [ROWS[fused]] * 2
    assert [*Generator(plan)(PROMPT, max_new=20).tokens] == expected


@pytest.mark.parametrize("fused", ROWS)
def test_each_cache_is_a_concat(fused: str) -> None:
    model = ir.from_proto(tiny_decoder(fused))
    before = str(model)
    found = with_growth(model)
    assert str(model) == before
    for value in found.graph.outputs[1:]:
        joined = value.producer()
        assert joined is not None
        assert (joined.op_type, joined.inputs[0] in found.graph.inputs) == ("Concat", True)


def test_another_model_stays_itself() -> None:
    model = ir.from_proto(tiny_decoder())
    assert with_growth(model) is model
