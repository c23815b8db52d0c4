"""The entries of a decoder side by side."""

from pathlib import Path

from stagecut.compiler.report.model.entries import entries_in_order, entry_rows
from tests.support import encoder_decoders
from tests.support.decoders import decoder_plan, tiny_decoder


def test_what_a_token_takes_comes_first() -> None:
    document = decoder_plan(tiny_decoder()).document
    decode, prefill = entry_rows(document)
    assert (decode.entry, decode.sizes) == ("decode", "1 token behind 47")
    assert (prefill.entry, prefill.sizes) == ("prefill", "5 tokens")
    planned = document.entries["decode"].variants[0]
    assert decode.predicted.time_s == planned.account.latency_s
    assert decode.observed is None
    assert sum(decode.devices.values()) == len(planned.nodes)
    assert decode.gap == 0


def test_an_encoder_comes_last(tmp_path: Path) -> None:
    folder = encoder_decoders.write_folder(tmp_path, "two files")
    *_, encode = entry_rows(encoder_decoders.plan(folder).document)
    assert encode.entry == "encode"
    assert encode.sizes == encoder_decoders.plan(folder).first.planned.profiled


def test_other_plans_have_none() -> None:
    assert entries_in_order({"main": None}) == ()
