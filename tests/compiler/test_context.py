"""What every pass may need is data: frozen, and without verbs."""

from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from types import FunctionType

import pytest

from stagecut.compiler.context import CompileContext, Settings, to_stderr


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


def test_warnings_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    to_stderr("node \x1b[2J is left out")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("stagecut: node ")
    assert said.err.rstrip("\n").isprintable()
