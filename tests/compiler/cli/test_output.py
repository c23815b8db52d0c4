"""What commands hand out: one envelope of JSON, and bars where somebody can see them."""

import io
import json
import sys

import pytest

from stagecut.compiler.cli.output import json_text, print_json, progress_bars
from stagecut.compiler.ir.device import silent


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


def test_nobody_sees_bars_behind_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert progress_bars() is silent


def test_bars_hand_on_what_they_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    bars = progress_bars()
    assert list(bars([1, 2, 3], "counting")) == [1, 2, 3]
    assert list(bars(iter([1, 2]), "counting", 2)) == [1, 2]
