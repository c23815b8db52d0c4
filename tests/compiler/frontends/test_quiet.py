"""Libraries are kept off the terminal, and everything is put back as it was."""

import logging
import sys
import warnings

import pytest

from stagecut.compiler.frontends.quiet import quiet


def test_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings(record=True) as caught, quiet("chatty"):
        warnings.warn("old", stacklevel=1)
        logging.getLogger("chatty").error("something")
        print("to the terminal", file=sys.stderr)  # noqa: T201
    assert caught == []
    assert capsys.readouterr().err == ""


def test_levels_are_put_back_when_it_fails() -> None:
    chatty = logging.getLogger("chatty")
    chatty.setLevel(logging.INFO)
    with pytest.raises(ValueError, match="no"):
        _fail_quietly(chatty)
    assert chatty.level == logging.INFO
    chatty.setLevel(logging.NOTSET)


def _fail_quietly(chatty: logging.Logger) -> None:
    with quiet(chatty.name):
        assert chatty.level == logging.CRITICAL
        raise ValueError("no")
