"""The many-core experiment: a block's work, its steps, and the range beside published figures."""

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.manycore import (
    STEPS,
    USUAL_CLUSTERS,
    Row,
    _as_counted,
    _done,
    _steps,
    _write,
    backend_after,
    cases,
    steps_of,
)
from benchmarks.manycore_headlines import headlines
from benchmarks.manycore_models import MODELS, Case, Model, works
from stagecut.backends.manycore.product import Product
from stagecut.backends.manycore.work import Attend, Projected
from tests.support.manycore import unchained

SMALL = Model("small", 2, 64, 16, 128, 4, 24, ("encoder",))


@pytest.mark.parametrize("mode", ["encoder", "nar", "ar"])
@pytest.mark.parametrize("fused", [False, True])
def test_the_work_of_a_block(mode: str, fused: bool) -> None:
    rows = 1 if mode == "ar" else 24
    found = [
        part
        for work in unchained(works(Case(SMALL, mode, 24, "fp64", 16), fused=fused))
        for part in ((work.attend, work.product) if isinstance(work, Projected) else (work,))
    ]
    products = [work for work in found if isinstance(work, Product)]
    assert [(p.m, p.n, p.k) for p in products] == [
        (rows, 192, 64),
        (rows, 64, 64),
        (rows, 128, 64),
        (rows, 64, 128),
    ]
    (attend,) = (work for work in found if isinstance(work, Attend))
    assert attend.count == 4
    assert (attend.head.queries, attend.head.keys, attend.head.causal) == (rows, 24, mode == "nar")
    assert len(found) == (7 if fused else 14)


def test_each_step_adds_something_and_none_is_slower_than_the_baseline() -> None:
    rows = [*_steps("manycore.snitch16", Case(SMALL, "encoder", 24, "fp32", 16))]
    assert [row.step for row in rows] == list(STEPS)
    assert all(row.cycles <= rows[0].cycles for row in rows)
    assert all(0 < row.utilisation <= row.utilisation_in_use <= 1 for row in rows)
    assert all(sum(row.shares.values()) == pytest.approx(1) for row in rows)
    library = rows[list(STEPS).index("library")]
    assert all(row.gflop_per_j < row.gflop_per_j_without_hbm for row in rows)
    assert library.products is not None
    assert library.products > library.utilisation_in_use


def test_steps_are_those_that_are_named_over_the_baseline() -> None:
    assert steps_of("buffered,library") == ["baseline", "library", "buffered"]
    with pytest.raises(argparse.ArgumentTypeError, match="'fast' is not one of baseline, library"):
        steps_of("library,fast")


def test_a_run_that_was_interrupted_goes_on_where_it_was(tmp_path: Path) -> None:
    case = Case(SMALL, "encoder", 24, "fp32", 16)
    rows, results = [*_steps("manycore.snitch16", case, ["library"])], tmp_path / "manycore.json"
    run = {"device": "manycore.snitch16", "steps": ["library"]}
    assert _done(results, run) == []
    _write(results, run, rows)
    assert _done(results, run) == rows
    assert all(row.is_of(case) for row in rows)
    assert not any(row.is_of(replace(case, clusters=8)) for row in rows)
    assert _done(results, run | {"steps": ["library", "buffered"]}) == []


def test_what_has_no_room_is_told_and_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    long = Model("long", 1, 8192, 16, 64, 1, 8, ("encoder",))
    assert [*_steps("manycore.snitch16", Case(long, "encoder", 8, "fp64", 16))] == []
    told = "long encoder fp64, buffered: a row of 8192 numbers has no room in the scratchpad"
    assert told in capsys.readouterr().out


def test_cases_are_lengths_at_one_size_and_sizes_at_one_length() -> None:
    found = [*cases([MODELS["gpt-j"]], ["fp8"], [128, 2048], [4, 16])]
    assert [(case.mode, case.tokens, case.clusters) for case in found] == [
        *(("nar", tokens, 16) for tokens in (128, 2048)),
        ("nar", 2048, 4),
        *(("ar", tokens, 16) for tokens in (128, 2048)),
        ("ar", 2048, 4),
    ]


def test_ratios_are_over_scalar_code_in_fp64_and_in_the_same_precision() -> None:
    def row(precision: str, step: str, cycles: float, clusters: int = USUAL_CLUSTERS) -> Row:
        return Row(
            *("m", "nar", 8, precision, clusters, step, cycles),
            *(0.5, 0.6, 0.7),
            {"product": 1.0},
            *(1.0, 2.0, 3.0, 1.0),
        )

    of_fp64, of_same = headlines(
        [
            row("fp64", "baseline", 800),
            row("fp8", "baseline", 1600),
            row("fp64", "library", 200),
            row("fp8", "library", 100),
            row("fp8", "library", 1, clusters=4),
        ]
    )
    assert (of_fp64.low, of_fp64.high) == (4.0, 8.0)
    assert (of_same.low, of_same.high) == (4.0, 16.0)
    assert "published 16.1, modelled 4 .. 16" in str(of_same)


def test_what_the_rows_say_nothing_about_is_left_out() -> None:
    assert headlines([]) == []


def test_the_published_count_leaves_out_tails_and_disturbed_cores() -> None:
    case = Case(SMALL, "encoder", 24, "fp64", USUAL_CLUSTERS)
    (counted,) = _as_counted("manycore.snitch16", case)
    assert (counted.tokens, counted.step) == (192, "as counted")
    assert not [*_as_counted("manycore.snitch16", replace(case, mode="nar"))]
    assert backend_after("manycore.snitch16", case, "found").chip.dma.dma_disturbs > 0
