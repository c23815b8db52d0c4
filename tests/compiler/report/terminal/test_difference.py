"""The difference of two plans in the terminal: golden texts, and names that would take it over."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from stagecut.compiler.report.model.difference import Difference, compare
from stagecut.compiler.report.terminal.difference import print_difference
from tests.support.golden import assert_golden
from tests.support.planned import Sample
from tests.support.planned_variants import (
    hostile,
    mixed,
    never_run,
    recompiled,
    slower,
    two_ends,
    without_pim,
)


def text_of(difference: Difference, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_difference(difference, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


GOLDEN = {
    "plans that decide otherwise": ("diff-moved.txt", mixed(), without_pim()),
    "plans that decide alike": ("diff-alike.txt", mixed(), recompiled()),
}


@pytest.mark.parametrize(("name", "before", "after"), GOLDEN.values(), ids=GOLDEN.keys())
def test_golden(name: str, before: Sample, after: Sample, tmp_path: Path) -> None:
    assert_golden(name, text_of(compare(before.planned, after.planned)), tmp_path)


HEADLINES = {
    "what was observed leads": (
        (mixed(), slower(mixed(), 1.1)),
        "1.11 ms~ → 1.22 ms~ observed (+10.0 %), 1.10 ms~ → 1.21 ms~ predicted (+10.0 %); "
        "everything runs where it ran",
    ),
    "where one was never run, predictions are compared": (
        (mixed(), slower(never_run(), 1.1)),
        "1.10 ms~ → 1.21 ms~ predicted (+10.0 %); everything runs where it ran",
    ),
    "the same": (
        (mixed(), mixed()),
        "1.11 ms~ observed, 1.10 ms~ predicted; everything runs where it ran",
    ),
    "other transfers": (
        (never_run(), two_ends()),
        "1.10 ms~ → 1.13 ms~ predicted (+2.7 %); other transfers",
    ),
}


@pytest.mark.parametrize(("plans", "line"), HEADLINES.values(), ids=HEADLINES.keys())
def test_the_headline(plans: tuple[Sample, Sample], line: str) -> None:
    before, after = plans
    assert text_of(compare(before.planned, after.planned), 200).splitlines()[0] == line


def test_the_same_stages_in_another_order_are_told() -> None:
    found = replace(compare(mixed().planned, mixed().planned), reordered=True)
    assert "; the same stages in another order" in text_of(found, 200)


@pytest.mark.parametrize("width", [30, 60, 120])
def test_hostile_names_neither_steer_nor_widen_the_terminal(width: int) -> None:
    text = text_of(compare(mixed().planned, hostile().planned), width)
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert max(map(len, text.splitlines())) <= width
