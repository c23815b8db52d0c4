"""The words that all renderings share."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler.ir.machine import Basis
from stagecut.compiler.report import wording
from stagecut.compiler.report.model.build import build_report
from stagecut.compiler.report.model.content import Figure, Option, Overruled, Proof
from tests.support.manifests import mixed

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
    "one": (1, "copy", "1 copy"),
    "none": (0, "stage", "0 stages"),
    "several of a word in y": (2, "copy", "2 copies"),
    "thousands": (12000, "node", "12,000 nodes"),
}


@pytest.mark.parametrize(("number", "thing", "text"), COUNTS.values(), ids=COUNTS.keys())
def test_count(number: int, thing: str, text: str) -> None:
    assert wording.count(number, thing) == text


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
    "a loss": (2e-3, 1e-3, "+1.00 ms", "2 × too slow"),
    "a small loss": (2e-3, 1e-4, "+100 µs", "5.3 % too slow"),
    "a tie": (2e-3, 0.0, "nothing", "just as good"),
    "a gain": (2e-3, -1e-3, "−1.00 ms", "better, by the costs alone"),
    "hopeless": (1e-3, 2e-3, "+2.00 ms", "never: getting there costs more"),
}


@pytest.mark.parametrize(("run_s", "extra_s", "added", "flips"), OPTIONS.values(), ids=OPTIONS)
def test_option(run_s: float, extra_s: float, added: str, flips: str) -> None:
    option = Option("pim", Figure(run_s, "modelled"), "", extra_s, None)
    assert (wording.added(option), wording.flips(option)) == (added, flips)


OPTIMAL = Proof("elimination", 1.0, 1.0, 0.0, True, 3)
PROOFS = {
    "optimal": (OPTIMAL, None, "proven optimal: no other assignment costs less"),
    "with a gap": (
        Proof("bound", 1.0, 0.9, 0.1, False, None),
        None,
        "not proven optimal: at most 10.0 % might still be saved",
    ),
    "overruled by the gate": (
        OPTIMAL,
        Overruled(Figure(1.0, "modelled"), Figure(2.0, "modelled")),
        "the optimum of the costs, 1.00 s~, took 2.00 s~ when it was run",
    ),
}


@pytest.mark.parametrize(("found", "overruled", "text"), PROOFS.values(), ids=PROOFS.keys())
def test_proof(found: Proof, overruled: Overruled | None, text: str) -> None:
    summary = build_report(mixed().manifest, mixed().table).summary
    assert wording.proof(replace(summary, proof=found, overruled=overruled)) == text


def test_a_difference_within_the_noise_is_no_difference() -> None:
    option = Option("cpu", Figure(2e-3, "measured"), "", 1e-6, (1.9e-3, 2.1e-3), doubtful=True)
    assert wording.flips(option) == "as good: within the noise"
