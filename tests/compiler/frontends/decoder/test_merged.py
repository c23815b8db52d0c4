"""Merged decoders: the branch with a cache, and nothing left that asks for it."""

import onnx
import onnx.parser
import onnx_ir as ir

from stagecut.compiler.frontends.decoder.merged import with_cache
from stagecut.runtime.decoding.generate import Generator
from tests.support.decoders import PROMPT, PlainLoop, decoder_plan, merged_decoder, tiny_decoder

_TEXT = """
<ir_version: 10, opset_import: ["": 21]>
g (bool[1] use_cache_branch, float[2] x) => (float[2] y, float[2] z, float[1] w) {
  one = Squeeze(use_cache_branch)
  y, z = If(one) <
    then_branch = t () => (float[2] a, float[2] same) <float[2] two = {2, 2}>
      { a = Mul(x, two) same = Identity(x) },
    else_branch = e () => (float[2] b, float[2] c) { b = Neg(x) c = Neg(x) }>
  w = Cast<to = 1>(use_cache_branch)
}
"""


def test_the_branch_with_a_cache_stands_in_the_graph() -> None:
    model = ir.from_proto(onnx.parser.parse_model(_TEXT))
    before = str(model)
    found = with_cache(model)
    assert str(model) == before
    assert [value.name for value in found.graph.inputs] == ["x"]
    assert [value.name for value in found.graph.outputs] == ["y", "z", "w"]
    operators = [node.op_type for node in found.graph]
    assert "If" not in operators
    assert "Neg" not in operators
    assert "two" in found.graph.initializers
    onnx.checker.check_model(ir.to_proto(found), full_check=True)


def test_another_model_stays_itself() -> None:
    model = ir.from_proto(tiny_decoder())
    assert with_cache(model) is model


def test_tokens_are_those_of_the_model_itself() -> None:
    expected = PlainLoop(tiny_decoder()).greedy(PROMPT, 20)
    assert [*Generator(decoder_plan(merged_decoder()))(PROMPT, max_new=20).tokens] == expected
