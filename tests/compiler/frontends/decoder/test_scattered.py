"""A cache that an ONNX model writes in place: its tokens are those of ONNX Runtime in a loop."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import pytest

from stagecut.compiler.entries import entries_of
from stagecut.compiler.frontends.decoder.scattered import with_written
from stagecut.compiler.frontends.load import import_model
from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.state import DecodingOptions
from stagecut.compiler.onnx_runtime import ort
from stagecut.runtime.decoding.generate import Generator
from stagecut.runtime.decoding.session import DecoderSession
from tests.support.decoders import (
    NAMES,
    PROMPT,
    SHAPES,
    decoder_plan,
    greedy,
    tiny_decoder,
    with_weights,
)

ROOM = 20

_TEXT = """
<ir_version: 10, opset_import: ["": 24]>
decoder (int64[batch,seq] input_ids, int64[batch,seq] position_ids, int64[batch] write_at,
         int64[batch] count, float[batch,2,20,4] past_k, float[batch,2,20,4] past_v)
     => (float[batch,seq,23] logits, float[batch,2,20,4] present_k, float[batch,2,20,4] present_v)
  <int64[4] split = {0,0,2,4}, int64[3] joined = {0,0,8}>
{ words = Gather(embed, input_ids)  spots = Gather(places, position_ids)  h = Add(words, spots)
  q = MatMul(h, wq)  k = MatMul(h, wk)  v = MatMul(h, wv)
  q4 = Reshape(q, split)  k4 = Reshape(k, split)  v4 = Reshape(v, split)
  qt = Transpose<perm = [0,2,1,3]>(q4)
  kt = Transpose<perm = [0,2,1,3]>(k4)
  vt = Transpose<perm = [0,2,1,3]>(v4)
  present_k = TensorScatter(past_k, kt, write_at)
  present_v = TensorScatter<axis = 2>(past_v, vt, write_at)
  mixed = Attention<is_causal = 1>(qt, present_k, present_v, , , , count)
  back = Transpose<perm = [0,2,1,3]>(mixed)  flat = Reshape(back, joined)
  out = MatMul(flat, wo)  sum = Add(out, h)  logits = MatMul(sum, head) }
"""

#: Where rows are written, computed from positions instead of fed.
_COMPUTED = _TEXT.replace(" int64[batch] write_at,", "").replace(
    "{ words",
    "{ zero = Constant<value_ints = [0]>()  one = Constant<value_ints = [1]>()"
    "  places1 = Squeeze(position_ids, zero)  write_at = Slice(places1, zero, one)  words",
)


def _model(text: str = _TEXT, names: Mapping[str, str] = NAMES) -> onnx.ModelProto:
    return with_weights(text, SHAPES, names, seed=0)


def _expected(model: onnx.ModelProto, count: int) -> list[int]:
    """In ONNX Runtime, as users of such a model loop over it."""
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    states = [port.name for port in session.get_inputs() if port.name.startswith("past")]

    def step(new: Sequence[int], length: int, past: Sequence[Tensor]) -> list[Tensor]:
        feeds = {
            "input_ids": np.asarray([new]),
            "position_ids": np.arange(length, length + len(new))[None],
            "write_at": np.asarray([length]),
            "count": np.asarray([length + len(new)]),
            **dict(zip(states, past, strict=True)),
        }
        known = {port.name for port in session.get_inputs()}
        found: list[Tensor] = session.run(
            None, {name: each for name, each in feeds.items() if name in known}
        )
        return found

    return greedy(step, [np.zeros((1, 2, ROOM, 4), np.float32)] * 2, PROMPT, count)


@pytest.mark.parametrize("text", [_TEXT, _COMPUTED], ids=["fed", "computed"])
def test_tokens_are_those_of_the_model_itself(text: str) -> None:
    model = _model(text)
    count = ROOM - len(PROMPT) + 1
    expected = _expected(model, count)
    assert len({*expected}) > 3
    plan = decoder_plan(model, ["cpu.serial", "cpu.parallel"], decoding=DecodingOptions())
    assert plan.decoding is not None
    assert plan.decoding.capacity == ROOM
    assert [(state.row, state.whole) for state in plan.decoding.states] == [((1, 2, 4), True)] * 2
    assert [*Generator(plan)(PROMPT, max_new=count).tokens] == expected


def test_nobody_feeds_what_follows_from_the_length() -> None:
    session = DecoderSession(decoder_plan(_model(), decoding=DecodingOptions()))
    for name, entry in session.entries.items():
        fed = {port.name for port in entry.get_inputs()}
        assert not fed & {"write_at", "count"}, name
    with session.sequence() as sequence:
        sequence.run("prefill", {"input_ids": np.array([PROMPT])})
        with sequence.fork() as fork:
            fork.run("decode", {"input_ids": np.array([[1]])})
            fork.truncate(len(PROMPT))
            one, other = (
                each.run("decode", {"input_ids": np.array([[2]])})[0] for each in (sequence, fork)
            )
    np.testing.assert_array_equal(one, other)


def test_another_attention_s_operand_says_no_number_of_tokens() -> None:
    """That of ONNX Runtime says there how many came before."""
    text = _TEXT.replace('["": 24]', '["": 24, "com.microsoft": 1]').replace(
        "int64[batch] count,", "int64[batch] count, int32[1] before,"
    )
    text = text.replace(
        "back = Trans",
        "other = com.microsoft.Attention<num_heads = 2>(h, wq, , , , , before) back = Trans",
    )
    imported, _ = import_model(_model(text))
    inputs = {value.name for value in with_written(imported).model.graph.inputs}
    assert "before" in inputs
    assert "count" not in inputs


def test_names_do_not_matter() -> None:
    others = {
        "past_k": "keys",
        "past_v": "values",
        "present_k": "keys_out",
        "present_v": "values_out",
    }
    imported, _ = import_model(_model(names=others))
    _, decoding = entries_of(imported, [{}], None, DecodingOptions())
    assert decoding is not None
    carried = {each.past: each.present for each in decoding.states}
    assert carried == {"keys": "keys_out", "values": "values_out"}


def test_a_step_at_a_fixed_length_is_an_ordinary_model() -> None:
    imported, _ = import_model(_model())
    shapes = {"past_key_values.0.key": (1, 2, ROOM, 4), "input_ids": (1, 1)}
    _, decoding = entries_of(imported, [shapes], None, DecodingOptions())
    assert decoding is None


@pytest.mark.parametrize(
    "text",
    [
        _TEXT.replace("TensorScatter(", 'TensorScatter<mode = "circular">(').replace(
            "TensorScatter<axis = 2>", 'TensorScatter<axis = 2, mode = "circular">'
        ),
        _TEXT.replace("kt, write_at", "kt").replace("vt, write_at", "vt"),
        _TEXT.replace("batch,2,20,4", "batch,2,room,4"),
    ],
    ids=["in a circle", "at the start", "room unknown"],
)
def test_another_cache_stays_as_it_is(text: str) -> None:
    imported, _ = import_model(_model(text))
    assert with_written(imported) is imported


def test_another_model_stays_itself() -> None:
    imported, _ = import_model(tiny_decoder())
    assert with_written(imported) is imported
