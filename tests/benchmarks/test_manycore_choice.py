"""The partitioner's choice of CPUs and a many-core chip, for a small block."""

import pytest

from benchmarks.manycore import cases
from benchmarks.manycore_choice import _line, _with_levers, chosen
from benchmarks.manycore_models import MODELS, Case, Model
from stagecut.compiler.context import Settings
from tests.support.manycore import manycore

SMALL = Model("small", 2, 64, 16, 128, 4, 24, ("encoder", "ar"))


@pytest.mark.parametrize("mode", ["encoder", "ar"])
def test_the_choice_is_no_worse_than_anything_else(mode: str) -> None:
    row = chosen(Case(SMALL, mode, 24, "fp16", 16), None, Settings(effort="quick"))
    assert row.totals_s["choice"] <= min(row.totals_s.values())
    assert sum(row.nodes.values()) > 3
    assert "optimal" in row.certificate
    assert row.nodes_with_tolerance == {}
    assert _line(row).startswith(f"small    {mode}")


def test_a_tolerance_chooses_among_precisions() -> None:
    row = chosen(Case(SMALL, "encoder", 24, "fp64", 16), 0.05, Settings(effort="quick"))
    assert set(row.nodes_with_tolerance) <= {"cpu.parallel", "fp64", "fp32", "fp16", "fp8"}
    assert row.totals_s["tolerance"] > 0


def test_every_lever_is_on() -> None:
    chip = manycore(_with_levers(Case(SMALL, "encoder", 24, "fp8", 16))).chip
    assert chip.precision == "fp8"
    assert chip.levers.double_buffer
    assert chip.levers.find_tiles
    assert chip.levers.split_n


def test_encoders_see_their_image_and_decoders_so_many_tokens() -> None:
    models = [model for name, model in MODELS.items() if name in {"vit-b", "gpt-j"}]
    found = [(case.mode, case.tokens) for case in cases(models, ["fp8"], [128], [])]
    assert found == [("encoder", 197), ("nar", 128), ("ar", 128)]
