"""What every pass may need is data: frozen, and without verbs."""

from dataclasses import FrozenInstanceError, fields
from itertools import pairwise
from pathlib import Path
from types import FunctionType

import pytest

from stagecut.compiler.context import EFFORTS, CompileContext, Settings, to_stderr
from stagecut.compiler.measurements import GATE_ROUNDS, PROFILE_ROUNDS


@pytest.mark.parametrize("kind", [Settings, CompileContext])
def test_it_has_no_verbs(kind: type) -> None:
    verbs = [
        name
        for name, each in vars(kind).items()
        if isinstance(each, FunctionType) and not name.startswith("_")
    ]
    assert verbs == []
    assert fields(kind)


def test_settings_are_frozen_and_keep_nothing_unless_asked() -> None:
    settings = Settings()
    assert (settings.cache, settings.dump, settings.notes) == (None, None, None)
    with pytest.raises(FrozenInstanceError):
        settings.cache = Path()  # type: ignore[misc]


def test_more_effort_is_never_fewer_runs() -> None:
    assert set(EFFORTS) == set(PROFILE_ROUNDS) == set(GATE_ROUNDS)
    for rounds in (PROFILE_ROUNDS, GATE_ROUNDS):
        found = [rounds[effort] for effort in EFFORTS]
        for less, more in pairwise(found):
            assert (less.least, less.most, less.budget_s) <= (more.least, more.most, more.budget_s)


def test_warnings_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    to_stderr("node \x1b[2J is left out")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("stagecut: node ")
    assert said.err.rstrip("\n").isprintable()
