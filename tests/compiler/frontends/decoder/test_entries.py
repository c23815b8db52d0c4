"""Two entries of one model: their inputs, the shapes that they are measured at, their samples."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

from stagecut.compiler.frontends.decoder.entries import Decoder, decoder_of
from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.frontends.onnx_file import import_proto
from stagecut.compiler.ir.errors import ModelError, UsageError
from stagecut.compiler.ir.state import DecodingOptions
from tests.support.decoders import STATES, tiny_decoder


def _imported(model: onnx.ModelProto | None = None) -> Imported:
    return import_proto(model or tiny_decoder())


def _decoder(imported: Imported, options: DecodingOptions = DecodingOptions()) -> Decoder:
    found = decoder_of(imported, options, {})
    assert found is not None
    return found


def _dims(imported: Imported) -> dict[str, str]:
    graph = imported.model.graph
    return {
        str(value.name): ",".join(str(dim) for dim in value.shape or ())
        for value in (*graph.inputs, *graph.outputs)
    }


def test_open_dimensions_are_tied_and_the_batch_is_one_row() -> None:
    entries = _decoder(_imported()).entries
    rows = {"present.0.key": "seq,1,2,4", "present.0.value": "seq,1,2,4"}
    tokens = {"input_ids": "1,seq", "position_ids": "1,seq"}
    assert _dims(entries["prefill"].imported) == {
        **tokens,
        "attention_mask": "1,seq",
        "logits": "1,1,23",
        **rows,
    }
    assert _dims(entries["decode"].imported) == {
        **tokens,
        "logits": "1,seq,23",
        "attention_mask": "1,past + seq",
        **dict.fromkeys(STATES, "past,1,2,4"),
        **rows,
    }


def test_measured_at_the_prompt_and_half_way_to_the_capacity() -> None:
    entries = _decoder(_imported(), DecodingOptions(prompt=10, capacity=50)).entries
    prefill, decode = entries["prefill"], entries["decode"]
    assert prefill.shapes["attention_mask"] == (1, 10)
    assert decode.shapes["attention_mask"] == (1, 31)
    assert decode.shapes["past_key_values.0.key"] == (30, 1, 2, 4)
    assert decode.imported.feeds["position_ids"].tolist() == [[30]]
    assert decode.imported.feeds["attention_mask"].all()


def test_the_samples_of_the_model_say_how_long_a_sequence_may_be() -> None:
    past = np.zeros((1, 2, 38, 4), np.float32)
    feeds = {"input_ids": np.array([[5, 6]]), **dict.fromkeys(STATES, past)}
    found = _decoder(replace(_imported(), feeds=feeds))
    assert found.decoding.capacity == 40
    assert found.entries["prefill"].imported.feeds["input_ids"].tolist() == [[5, 6] * 10]


def test_the_model_stays_as_it_is() -> None:
    imported = _imported()
    before = str(imported.model)
    _decoder(imported)
    assert str(imported.model) == before


def test_which_output_scores_the_next_token() -> None:
    assert _decoder(_imported()).decoding.logits == "logits"
    assert _decoder(_imported(tiny_decoder(logits="points"))).decoding.logits == "points"
    two = tiny_decoder(logits="points", sum="hidden")
    two.graph.output.append(onnx.ValueInfoProto(name="hidden"))
    two.graph.output[-1].type.CopyFrom(two.graph.output[0].type)
    assert _decoder(_imported(two)).decoding.logits == ""


def test_who_gives_the_shape_of_a_state_asks_for_one_step() -> None:
    shapes = {"past_key_values.0.key": (1, 2, 8, 4)}
    assert decoder_of(_imported(), DecodingOptions(), shapes) is None
    with pytest.raises(UsageError, match="it is no decoder"):
        decoder_of(_imported(), DecodingOptions(prompt=8), shapes)


def test_tokens_of_one_length() -> None:
    model = tiny_decoder()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1
    with pytest.raises(ModelError, match="reads tokens as input_ids"):
        decoder_of(_imported(model), DecodingOptions(), {})
