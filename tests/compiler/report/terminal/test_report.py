"""The report in the terminal: golden texts, narrow windows, names that would take it over."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from stagecut.compiler.ir.checks import Checks, OutputDifference
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.provenance import Circumstances
from stagecut.compiler.report.model.content import Report
from stagecut.compiler.report.terminal.report import (
    print_explanation,
    print_nodes,
    print_report,
    print_stages,
    print_summary,
    print_transfers,
)
from tests.support.golden import assert_golden
from tests.support.planned import Sample, gate_report_of, report_of, with_known
from tests.support.planned_variants import (
    cpu_only,
    empty,
    hostile,
    large,
    mixed,
    never_run,
    one_node,
    overruled,
    relayed,
)

SAMPLES = {
    "a mixed plan": mixed(),
    "a plan on the CPU alone": cpu_only(),
    "a plan that is not the optimum": overruled(),
    "a plan that was never run": never_run(),
    "a plan of one node": one_node(),
    "a plan of no node": empty(),
    "a plan with hostile names": hostile(),
    "a plan of 2,000 nodes": large(),
}
every_sample = pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())


def piped(width: int = 80) -> Console:
    """A console that writes to a file, as behind a pipe."""
    return Console(file=io.StringIO(), width=width)


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


GOLDEN = {
    "of a mixed plan": ("report-mixed.txt", gate_report_of(mixed()), 80),
    "in a narrow window": ("report-mixed-40.txt", gate_report_of(mixed()), 40),
    "of a plan on the CPU alone, with a trace": ("report-cpu.txt", report_of(cpu_only()), 100),
    "of a plan that is not the optimum": ("report-overruled.txt", gate_report_of(overruled()), 80),
    "of a plan that was never run": ("report-never-run.txt", gate_report_of(never_run()), 80),
    "of a plan with a relay": ("report-relayed.txt", gate_report_of(relayed()), 80),
    "of a plan of no node": ("report-empty.txt", gate_report_of(empty()), 80),
}


@pytest.mark.parametrize(("name", "report", "width"), GOLDEN.values(), ids=GOLDEN.keys())
def test_golden(name: str, report: Report, width: int, tmp_path: Path) -> None:
    console = piped(width)
    print_report(report, console)
    assert_golden(name, text_of(console), tmp_path)


def test_golden_explanation(tmp_path: Path) -> None:
    console = piped()
    print_explanation(report_of(mixed()), "norm1", console)
    print_explanation(report_of(mixed()), "down", console)
    assert_golden("report-explain.txt", text_of(console), tmp_path)


@every_sample
def test_the_summary_fits_on_one_screen(sample: Sample) -> None:
    console = piped()
    print_summary(report_of(sample), console)
    assert len(text_of(console).splitlines()) <= 24


@every_sample
@pytest.mark.parametrize("width", [30, 60, 80, 200])
def test_no_line_is_longer_than_the_window(sample: Sample, width: int) -> None:
    console = piped(width)
    print_report(report_of(sample), console)
    assert max(len(line) for line in text_of(console).splitlines()) <= width


@every_sample
def test_behind_a_pipe_nothing_steers_a_terminal(sample: Sample) -> None:
    console = piped()
    print_report(report_of(sample), console)
    assert all(letter.isprintable() or letter == "\n" for letter in text_of(console))


def test_a_plan_of_which_all_is_known_fits_on_one_screen_too() -> None:
    """Three devices, two links, energy, loading and accuracy, the optimum not shipped."""
    sample = overruled()
    known = with_known(
        sample,
        energy_j=2.5e-3,
        stages=tuple(replace(stage, load_s=2e-6) for stage in sample.planned.stages),
        accuracy=(OutputDifference("head", 1e-3, 1e-3, 1.0),),
    )
    console = piped()
    print_summary(gate_report_of(known), console)
    assert len(text_of(console).splitlines()) <= 24


def test_what_was_worked_around_checked_and_measured_is_told() -> None:
    known = with_known(
        mixed(),
        workarounds=("plan npu is left out: y is off",),
        checks=Checks(("zeros",), 0.0),
        circumstances=(Circumstances("gate", 0.0),),
    )
    console = piped()
    print_report(report_of(known), console)
    for text in ("worked around: plan npu", "right on zeros", "gate measured 1970-01-01 00:00 UTC"):
        assert text in text_of(console)


def test_names_are_not_taken_for_markup() -> None:
    console = piped(200)
    print_nodes(report_of(hostile()), console)
    assert "[bold red]{{ 7 * 7 }}[/]" in text_of(console)


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    print_report(report_of(mixed()), console)
    colours = [f"\x1b[{colour}m" for colour in (*range(30, 38), *range(90, 98))]
    assert not any(colour in text_of(console) for colour in colours)


def test_long_tables_are_cut_and_say_how_to_see_the_rest() -> None:
    console = piped()
    print_report(report_of(large()), console)
    assert "… and 1,990 more (--nodes)" in text_of(console)
    assert "… and 657 more (--stages)" in text_of(console)
    assert "… and 324 more (--transfers)" in text_of(console)


@pytest.mark.parametrize("print_all", [print_nodes, print_stages, print_transfers])
def test_a_table_asked_for_is_not_cut(print_all: object) -> None:
    assert callable(print_all)
    console = piped()
    print_all(report_of(large(400)), console)
    assert "more (" not in text_of(console)


def test_a_plan_of_measured_parts_shows_no_mark() -> None:
    console = piped()
    print_report(report_of(cpu_only()), console)
    assert "~" not in text_of(console)


def test_energy_and_loading_are_modelled_even_where_time_is_measured() -> None:
    sample = cpu_only()
    stages = tuple(replace(stage, load_s=2e-6) for stage in sample.planned.stages)
    known = with_known(sample, energy_j=2.5e-3, stages=stages)
    console = piped()
    print_summary(gate_report_of(known), console)
    text = text_of(console)
    assert "2.50 mJ~ a run; weights loaded once, in 6.00 µs~, before the first run" in text
    assert "~ modelled, not measured" in text


ACCURACIES = {
    "bit for bit": (0.0, "outputs are those of the whole model, bit for bit"),
    "no number": (float("inf"), "head is no number where that of the whole model is one"),
    "off by a little": (1e-3, "head is off by 0.1 % of its largest number at the most"),
}


@pytest.mark.parametrize(("off", "sentence"), ACCURACIES.values(), ids=ACCURACIES.keys())
def test_the_summary_says_how_exact_the_outputs_are(off: float, sentence: str) -> None:
    known = with_known(mixed(), accuracy=(OutputDifference("head", off, off, 1.0),))
    console = piped()
    print_summary(gate_report_of(known), console)
    assert sentence in text_of(console)


def test_a_node_that_does_not_exist_is_an_error_that_helps() -> None:
    with pytest.raises(UsageError, match="there is no node 'norm11'") as error:
        print_explanation(report_of(mixed()), "norm11", piped())
    assert "norm1" in error.value.fix


def test_what_a_relayed_value_takes_on_its_way_is_told_hop_by_hop() -> None:
    console = piped()
    print_explanation(gate_report_of(relayed()), "far", console)
    assert "writes far, transferred b → a in 20.0 µs and a → host in 2.00 µs" in text_of(console)
