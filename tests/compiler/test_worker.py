"""The process that answers a request, as its parent starts it."""

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from stagecut.compiler import worker
from stagecut.compiler.context import Settings
from stagecut.compiler.ir.errors import DeviceError
from stagecut.compiler.isolated import (
    NOTES,
    OUTCOME,
    OUTCOME_FILE,
    PLAN_FILE,
    REQUEST,
    REQUEST_FILE,
    Request,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    settings = Settings(effort="quick")
    request = Request.of("compile", ("cpu.serial",), None, "cluster", settings)
    request = replace(request, model="zoo:tiny-mlp")
    (tmp_path / REQUEST_FILE).write_bytes(REQUEST.dump_json(request))
    (tmp_path / NOTES).mkdir()
    return tmp_path


def test_it_answers_with_a_plan(folder: Path) -> None:
    assert worker.answer(folder) == 0
    assert (folder / PLAN_FILE).is_file()
    outcome = OUTCOME.validate_json((folder / OUTCOME_FILE).read_bytes())
    assert outcome.error is None
    assert "gate" in outcome.phases


def test_or_with_an_error(folder: Path) -> None:
    (folder / REQUEST_FILE).write_text(
        (folder / REQUEST_FILE).read_text().replace("cpu.serial", "cpu.seral")
    )
    assert worker.answer(folder) == 1
    outcome = OUTCOME.validate_json((folder / OUTCOME_FILE).read_bytes())
    assert outcome.error is not None
    kind, problem, where, fix = outcome.error
    assert (kind, problem) == ("DeviceError", "there is no device 'cpu.seral'")
    assert where
    assert fix.startswith("did you mean 'cpu.serial'?")


def test_a_profile_is_for_what_it_was_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def profile(*_: object, **options: object) -> None:
        asked.append(options["objective"])
        raise DeviceError("nothing is measured here")

    monkeypatch.setattr(worker, "profile_model", profile)
    request = replace(
        Request.of("profile", None, None, "cluster", Settings()),
        model="zoo:tiny-mlp",
        objective="throughput",
    )
    (folder / REQUEST_FILE).write_bytes(REQUEST.dump_json(request))
    assert worker.answer(folder) == 1
    assert asked == ["throughput"]


def test_it_is_a_child(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its life is that of any child: tests/compiler/measure/test_supervisor.py."""
    lives: list[tuple[int, int]] = []

    def life(theirs: socket.socket, parent: int, body: object) -> None:
        lives.append((theirs.fileno(), parent))
        theirs.close()

    monkeypatch.setattr(worker, "be_child", life)
    ours, theirs = socket.socketpair()
    end = os.dup(theirs.fileno())
    with ours, theirs:
        worker.main(str(folder), end, 7)
    assert lives == [(end, 7)]
