"""What commands hand out: one envelope of JSON, and bars where somebody can see them."""

import io
import json
import sys
import threading

import pytest

from stagecut.compiler.cli.output import (
    ProgressLines,
    console,
    json_text,
    print_json,
    progress_bars,
    say_on,
)


def test_the_envelope_begins_with_its_schema(capsys: pytest.CaptureFixture[str]) -> None:
    print_json("stagecut.compile/1", {"plan": "x.plan", "nodes": 3})
    document = json.loads(capsys.readouterr().out)
    assert list(document.items()) == [
        ("schema", "stagecut.compile/1"),
        ("plan", "x.plan"),
        ("nodes", 3),
    ]


def test_what_json_cannot_say_is_not_written() -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        json_text({"relative": float("inf")})


def test_behind_a_pipe_lines_tell_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    assert isinstance(progress_bars(), ProgressLines)
    now_s = 0.0
    lines = ProgressLines(lambda: now_s)
    for item in lines(range(8), "profiling"):
        assert 2 * item == now_s
        now_s += 2.0
    now_s += 5.0
    assert list(lines(iter("ab"), "comparing")) == ["a", "b"]
    assert log.getvalue().splitlines() == [
        "profiling: 3 of 8, 6 s so far",
        "profiling: 6 of 8, 12 s so far",
        "profiling: done in 16 s",
        "comparing: 0",
        "comparing: done in 0 s",
    ]


def test_what_is_done_at_once_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    assert list(ProgressLines(lambda: 0.0)([1, 2, 3], "counting")) == [1, 2, 3]
    assert log.getvalue() == ""


def test_a_phase_that_says_nothing_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    monkeypatch.setattr("stagecut.compiler.cli.output.LINE_EVERY_S", 0.0)
    told = threading.Event()
    lines = ProgressLines()
    monkeypatch.setattr(lines, "still", lambda *_: told.set())
    with lines.phase("import"):
        assert told.wait(60)
    times_s = iter((0.0, 9.0, 10.0, 12.0, 20.0))
    lines = ProgressLines(lambda: next(times_s))
    monkeypatch.setattr("stagecut.compiler.cli.output.LINE_EVERY_S", 5.0)
    for _ in range(4):
        lines.still("import", 0.0)
    assert log.getvalue() == "import: 10 s so far\nimport: 20 s so far\n"


def test_bars_hand_on_what_they_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    bars = progress_bars()
    assert list(bars([1, 2, 3], "counting")) == [1, 2, 3]
    assert list(bars(iter([1, 2]), "counting", 2)) == [1, 2]


def test_a_text_that_grows_breaks_lines_and_steers_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for part in ("one\ntw", "o\x1b[2J", ""):
        say_on(part)
    assert capsys.readouterr().out == "one\ntwo\ufffd[2J"


@pytest.mark.parametrize("columns", ["0", "1"])
def test_a_terminal_without_columns(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    console().print("what runs where")
    assert out.getvalue() == "what runs where\n"
