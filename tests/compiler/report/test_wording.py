"""The words that all renderings share."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler.ir.checks import Checks
from stagecut.compiler.ir.machine import Basis
from stagecut.compiler.ir.provenance import Circumstances
from stagecut.compiler.report import wording
from stagecut.compiler.report.model.figures import Figure
from stagecut.compiler.report.model.rows import Option, Others, TransferRow
from tests.support.planned import gate_report_of
from tests.support.planned_variants import one_node

TIMES: dict[str, tuple[float, Basis, str]] = {
    "measured": (0.0123, "measured", "12.3 ms"),
    "modelled": (0.0123, "modelled", "12.3 ms~"),
    "nanoseconds": (4.2e-8, "measured", "42.0 ns"),
    "minutes": (600.0, "modelled", "10.0 min~"),
}


@pytest.mark.parametrize(("time_s", "basis", "text"), TIMES.values(), ids=TIMES.keys())
def test_time(time_s: float, basis: Basis, text: str) -> None:
    assert wording.time(Figure(time_s, basis)) == text


def test_no_figure_is_no_text() -> None:
    assert wording.time(None) == ""


@given(st.text(max_size=300), st.integers(4, 60))
def test_a_shortened_name_fits_and_is_printable(name: str, width: int) -> None:
    short = wording.shorten(name, width)
    assert len(short) == min(len(name), width)
    assert short.isprintable()


def test_shortening_keeps_both_ends() -> None:
    assert wording.shorten("/encoder/layer.0/attention/output/dense", 16) == "/enco…tput/dense"


COUNTS = {
    "one": (1, "transfer", "1 transfer"),
    "none": (0, "stage", "0 stages"),
    "thousands": (12000, "node", "12,000 nodes"),
}


@pytest.mark.parametrize(("number", "thing", "text"), COUNTS.values(), ids=COUNTS.keys())
def test_count(number: int, thing: str, text: str) -> None:
    assert wording.count(number, thing) == text


def test_how_many_nodes_run_where() -> None:
    assert wording.nodes_by_device({"cpu": 1, "pim": 1200}) == "1 node on cpu, 1,200 nodes on pim"
    assert wording.nodes_by_device({}) == ""


DIFFERENCES = {
    "slower than predicted": (1.0, 1.03, "+3.0 %"),
    "faster than predicted": (1.0, 0.5, "−50.0 %"),
    "nothing predicted": (0.0, 1.0, ""),
}


@pytest.mark.parametrize(
    ("predicted_s", "observed_s", "text"), DIFFERENCES.values(), ids=DIFFERENCES.keys()
)
def test_difference(predicted_s: float, observed_s: float, text: str) -> None:
    predicted, observed = Figure(predicted_s, "measured"), Figure(observed_s, "measured")
    assert wording.difference(predicted, observed) == text


OPTIONS = {
    "more": (2e-3, 1e-3, "+1.00 ms", "2 × too slow"),
    "a little more": (2e-3, 1e-4, "+100 µs", "5.3 % too slow"),
    "a tie": (2e-3, 0.0, "nothing", "just as good"),
    "a saving": (2e-3, -1e-3, "−1.00 ms", "better, by the costs alone"),
    "hopeless": (1e-3, 2e-3, "+2.00 ms", "never: getting there costs more"),
}


@pytest.mark.parametrize(("run_s", "extra_s", "added", "flips"), OPTIONS.values(), ids=OPTIONS)
def test_option(run_s: float, extra_s: float, added: str, flips: str) -> None:
    option = Option("pim", Figure(run_s, "modelled"), "", extra_s, None)
    assert (wording.added(option), wording.flips(option)) == (added, flips)


INTERVALS: dict[str, tuple[float, float, Basis, str]] = {
    "one unit": (1.1e-3, 1.13e-3, "measured", "1.10 .. 1.13 ms"),
    "modelled": (1.1e-3, 1.13e-3, "modelled", "1.10 .. 1.13 ms~"),
    "two units": (9e-4, 1.13e-3, "modelled", "900 µs~ .. 1.13 ms~"),
    "nothing": (0.0, 0.0, "measured", "0 .. 0 s"),
}


@pytest.mark.parametrize(
    ("low_s", "high_s", "basis", "text"), INTERVALS.values(), ids=INTERVALS.keys()
)
def test_between(low_s: float, high_s: float, basis: Basis, text: str) -> None:
    assert wording.between(low_s, high_s, basis) == text


PREMISES: dict[str, tuple[tuple[Others, ...], str]] = {
    "one moves alone": (("stay",), "left where they are"),
    "the best of all": (("best", "best"), "wherever is then best"),
    "the best of one order": (
        ("best in the graph's order",),
        "wherever is then best, in the graph's order",
    ),
    "where it is known": (
        ("stay", "best"),
        "wherever is then best; or, where that is not known, left where they are",
    ),
}


@pytest.mark.parametrize(("others", "text"), PREMISES.values(), ids=PREMISES.keys())
def test_premise(others: tuple[Others, ...], text: str) -> None:
    run = Figure(1.0, "measured")
    options = [Option("cpu", run, "", 0.0, None, others=each) for each in others]
    refused = Option("pim", None, "no", None, None)
    assert wording.premise([*options, refused]) == f"with all other nodes {text}"


def hop(source: str, target: str, time_s: float, basis: Basis) -> TransferRow:
    return TransferRow("x", source, target, 2048, None, Figure(time_s, basis), None)


WAYS = {
    "none": ([], ""),
    "one hop": ([hop("a", "b", 1e-3, "measured")], "2.00 KiB, 1.00 ms"),
    "a relay, of which a part is modelled": (
        [hop("a", "b", 1e-3, "measured"), hop("b", "c", 2e-3, "modelled")],
        "2.00 KiB, 3.00 ms~ via b",
    ),
}


@pytest.mark.parametrize(("transfers", "text"), WAYS.values(), ids=WAYS.keys())
def test_way(transfers: list[TransferRow], text: str) -> None:
    assert wording.way(transfers) == text


def test_a_contender_says_what_else_it_is() -> None:
    contender = gate_report_of(one_node()).contenders[0]
    assert wording.remark(contender) == "the best; the same as optimum"
    noisy = replace(contender, also=(), noise="bimodal")
    assert wording.remark(noisy) == "the best; bimodal"


def test_a_difference_within_the_noise_is_no_difference() -> None:
    option = Option("cpu", Figure(2e-3, "measured"), "", 1e-6, (1.9e-3, 2.1e-3), doubtful=True)
    assert wording.flips(option) == "as good: within the noise"


CHECKS = {
    "nothing to compare with": (None, ""),
    "the same bit for bit": (Checks(("zeros",), 0.0), "right on zeros"),
    "within its limit": (
        Checks(("the sample inputs", "random numbers", "zeros"), 4.2e-4),
        "right on the sample inputs, random numbers and zeros: off by 0.042 % at the worst",
    ),
    "as unsure as the reference": (Checks(("zeros",), None), "right on zeros"),
}


@pytest.mark.parametrize(("made", "text"), CHECKS.values(), ids=CHECKS.keys())
def test_checks(made: Checks | None, text: str) -> None:
    assert wording.checks(made) == text


def test_when_and_how_it_was_measured() -> None:
    quiet = Circumstances("profile", 1_732_585_439.0)
    assert wording.measured(quiet) == "profile measured 2024-11-26 01:43 UTC"
    noisy = replace(quiet, noise="other work took 34% of the CPUs\x1b[2J")
    assert wording.measured(noisy) == (
        "profile measured 2024-11-26 01:43 UTC, in a noisy moment: "
        "other work took 34% of the CPUs\N{REPLACEMENT CHARACTER}[2J"
    )
