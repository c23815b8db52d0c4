"""What is said of a decoder: first token, further tokens, memory."""

from dataclasses import replace
from pathlib import Path

import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.ir.along_length import AlongLength, BestFrom
from stagecut.compiler.ir.plan import PlanDocument
from stagecut.compiler.ir.precision import SharedBudget
from stagecut.compiler.ir.solution import Certificate
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
        "homes": {},
    }
    answering = replace(figures, decoding=replace(figures.decoding, answer=11))
    assert [*answering.lines()][1] == "an answer of 11 tokens takes 130 ms predicted"
    document = answering.document()
    assert (document["new"], document["answer_s"]) == (11, 0.13)
    assert "observed" in next(replace(figures, observed=True).lines())


def test_a_budget_that_entries_share_is_told() -> None:
    figures = DecodingFigures.of(decoder_plan(tiny_decoder()).document)
    assert figures is not None
    shares = {"prefill": 0.03, "decode": 0.04}
    found = replace(figures, budget=SharedBudget(0.05, shares))
    assert [*found.lines()][-1] == (
        "of the 5 % that an answer may be off by (rms), prefill by 3 %, decode by 4 %"
    )
    assert found.document()["budget"] == {
        "tolerance": 0.05,
        "shares": shares,
        "certificate": None,
    }
    proved = SharedBudget(0.05, shares, Certificate.of("variable elimination", 0.2, 0.2))
    assert [*replace(figures, budget=proved).lines()][-1] == (
        "by the costs, an answer within that, less a little for roundings, takes 200 ms; "
        "optimal: no other schedule costs less"
    )


def test_states_in_a_devices_memory_are_told() -> None:
    figures = DecodingFigures.of(decoder_plan(tiny_decoder()).document)
    assert figures is not None
    there = replace(figures, homes={"past_key_values.0.key": "pim.aim"})
    assert [*there.lines()][-1] == (
        "1 of its 2 states stay in the memory of pim.aim: a step transfers what is new of them"
    )
    assert there.document()["homes"] == {"past_key_values.0.key": "pim.aim"}


def test_the_best_schedule_along_the_length_is_told() -> None:
    figures = DecodingFigures.of(decoder_plan(tiny_decoder()).document)
    assert figures is not None
    best = (
        BestFrom(5, 40, (1e-3, 2e-3), (1e-3, 2e-3), {"cpu": 3}),
        BestFrom(41, 89, (2e-3, 2.5e-3), (2e-3, 4e-3), {"cpu": 1, "pim": 2}),
    )
    along = AlongLength((5, 47, 89), {"cpu": 0.02, "pim": 0.0}, best)
    assert [*replace(figures, along_length=along).lines()][-3:] == [
        "by the costs of a step behind 5, 47, 89 tokens, lines between them off by up to 2.0%, the "
        "best schedule is",
        "  from 5 to 40 tokens: 1.00 ms to 2.00 ms, 3 nodes on cpu; as in this plan",
        "  from 41 to 89 tokens: 2.00 ms to 2.50 ms, 1 node on cpu, 2 nodes on pim; this plan's "
        "takes 2.00 ms to 4.00 ms",
    ]


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
