"""What is said of a decoder: first token, further tokens, memory."""

from dataclasses import replace
from pathlib import Path

import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.ir.plan import PlanDocument
from stagecut.compiler.report.decoding import DecodingFigures
from tests.support import encoder_decoders
from tests.support.decoders import decoder_plan, tiny_decoder
from tests.support.onnx_models import MODELS


def test_of_a_decoder() -> None:
    figures = DecodingFigures.of(decoder_plan(tiny_decoder()).document)
    assert figures is not None
    figures = replace(figures, first_token_s=0.03, token_s=0.01)
    assert (figures.prompt, figures.length) == (5, 47)
    assert list(figures.lines()) == [
        "first token 30.0 ms predicted (prefill of 5 tokens), then 10.0 ms a token, "
        "100.0 tokens/s (decode behind 47 tokens)",
        "a sequence holds 90 tokens in 5.62 KiB, 64 B a token",
    ]
    assert figures.document() == {
        "prompt": 5,
        "length": 47,
        "capacity": 90,
        "first_token_s": 0.03,
        "token_s": 0.01,
        "accounting": "predicted",
        "bytes_per_token": 64,
    }
    answering = replace(figures, decoding=replace(figures.decoding, answer=11))
    assert [*answering.lines()][1] == "an answer of 11 tokens takes 130 ms predicted"
    document = answering.document()
    assert (document["new"], document["answer_s"]) == (11, 0.13)
    assert "observed" in next(replace(figures, observed=True).lines())


def test_of_another_model() -> None:
    plan = compile_model(MODELS["chain"].proto(), devices=["cpu.serial"])
    assert DecodingFigures.of(PlanDocument(plan.document.entries)) is None


def test_of_an_encoder_decoder(tmp_path: Path) -> None:
    folder = encoder_decoders.write_folder(tmp_path, "two files")
    figures = DecodingFigures.of(encoder_decoders.plan(folder).document)
    assert figures is not None
    figures = replace(figures, encode_s=0.02, first_token_s=0.03, token_s=0.01)
    first, *_, last = figures.lines()
    assert first == "encode 20.0 ms predicted (input_ids 1x4, attention_mask 1x4), once"
    assert last == "it holds 260 B whole, whatever its length"
    assert figures.document()["encode_s"] == 0.02
    answering = replace(figures, decoding=replace(figures.decoding, answer=11))
    assert answering.answer_s == pytest.approx(0.15)
    alone = replace(figures, decoding=replace(figures.decoding, states=()))
    assert [*alone.lines()][1] == "10.0 ms predicted a token, 100.0 tokens/s"
