"""The entries of a model, the costs that go with them, and their weights, once."""

import random
from pathlib import Path

import numpy as np
import pytest

from stagecut.compiler.entries import (
    check_entries,
    costs_by_entry,
    decode_step,
    entries_of,
    named_in,
    shapes_of_variants,
    tables_in,
    weights_into,
)
from stagecut.compiler.formats.archive import ArchiveWriter
from stagecut.compiler.frontends.load import import_model
from stagecut.compiler.ir.errors import FeedError, UsageError
from stagecut.compiler.ir.objective import parse_objective
from stagecut.compiler.ir.state import DecodingOptions
from stagecut.passes.profile.synthetic import synthetic_costs, unmeasured
from tests.support.decoders import tiny_decoder
from tests.support.onnx_models import MODELS
from tests.support.scattered import expand

OPTIONS = DecodingOptions(prompt=4, capacity=20)
LATENCY = parse_objective("latency")


def test_an_ordinary_model_has_one() -> None:
    imported, _ = import_model(MODELS["chain"].proto())
    [entry], decoding = entries_of(imported, [{}], None, DecodingOptions())
    assert (entry.name, entry.opened, decoding) == ("main", None, None)
    assert entry.models == [entry.programs[0].model]


def test_a_decoder_has_two_and_its_weights_once(tmp_path: Path) -> None:
    imported, _ = import_model(tiny_decoder())
    entries, decoding = entries_of(imported, [{}], None, OPTIONS)
    assert [entry.name for entry in entries] == ["prefill", "decode"]
    assert decoding is not None
    assert decoding.capacity == 20
    with ArchiveWriter(tmp_path / "x.plan") as archive:
        weights = weights_into(archive, entries)
    assert [len(own) for own in weights] == [2, 2]
    places = [dict(file.places) for own in weights for file in own]
    assert places[0]["places"] == places[3]["places"]
    assert len(weights[0][0].region) < 2 * sum(p.length for p in places[0].values())


def test_a_decoder_has_one_length_of_prompt() -> None:
    imported, _ = import_model(tiny_decoder())
    shapes = [{"input_ids": (1, size)} for size in (4, 8)]
    with pytest.raises(UsageError, match="compiled for one length of prompt"):
        entries_of(imported, shapes, None, OPTIONS)


def test_samples_of_a_decoder() -> None:
    imported, _ = import_model(tiny_decoder())
    feeds = {"input_ids": np.array([[5, 9]])}
    entries, _ = entries_of(imported, [{}], feeds, OPTIONS)
    assert [entry.programs[0].feeds["input_ids"].tolist() for entry in entries] == [
        [[5, 9, 5, 9]],
        [[5]],
    ]
    with pytest.raises(FeedError, match="no such input"):
        entries_of(imported, [{}], {"x": np.ones(1)}, OPTIONS)


def test_a_step_alone() -> None:
    imported, _ = import_model(tiny_decoder())
    program, residents = decode_step(imported, None, DecodingOptions(length=40), {})
    entries, _ = entries_of(imported, [{}], None, DecodingOptions(length=40))
    assert {name: array.shape for name, array in program.feeds.items()} == {
        name: array.shape for name, array in entries[1].programs[0].feeds.items()
    }
    assert program.feeds["past_key_values.0.key"].shape == (40, 1, 2, 4)
    assert residents.capacity == 1024
    assert len(residents.states) == 2


def test_no_step_without_a_cache_that_grows() -> None:
    imported, _ = import_model(tiny_decoder())
    fixed = {"past_key_values.0.key": (1, 2, 9, 4), "past_key_values.0.value": (1, 2, 9, 4)}
    with pytest.raises(UsageError, match="no decoder"):
        decode_step(imported, None, DecodingOptions(length=9), fixed)


def test_costs_by_entry() -> None:
    imported, _ = import_model(tiny_decoder())
    entries, _ = entries_of(imported, [{}], None, OPTIONS)
    expanded = expand(entries[0].programs[0], ["cpu.serial", "null"], "cluster")
    table = synthetic_costs(expanded, random.Random(0).choice)  # noqa: S311
    assert (costs_by_entry(None), costs_by_entry(table)) == ({}, {"main": table})
    both = {"prefill": table, "decode": table}
    assert costs_by_entry(both) == both
    assert costs_by_entry(unmeasured, ["prefill", "decode"]) == {
        "prefill": unmeasured,
        "decode": unmeasured,
    }
    assert (tables_in(both), tables_in(unmeasured)) == (both, {})
    assert (named_in(both), named_in({})) == (["cpu.serial", "null"], None)
    names = [entry.name for entry in entries]
    check_entries(names, both, LATENCY)
    check_entries(names, {}, LATENCY)
    with pytest.raises(UsageError, match="tables for main, and entries prefill, decode"):
        check_entries(names, costs_by_entry(table), LATENCY)
    with pytest.raises(UsageError, match="a decoder does not stream"):
        check_entries(names, {}, parse_objective("throughput"))


def test_the_shapes_of_variants_and_a_table_for_one() -> None:
    [entry], _ = entries_of(import_model(MODELS["chain"].proto())[0], [{}], None, DecodingOptions())
    tables = {"main": unmeasured(expand(entry.programs[0], ["cpu.serial"], "cluster"))}
    assert [*shapes_of_variants(None, tables)] == [{}]
    one, two = {"x": (1, 4)}, {"x": (2, 4)}
    assert [*shapes_of_variants(one, tables)] == [one]
    assert [*shapes_of_variants([one, two], {})] == [one, two]
    with pytest.raises(UsageError, match="a cost table is for one shape"):
        shapes_of_variants([one, two], tables)
