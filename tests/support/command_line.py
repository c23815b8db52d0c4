"""Run the command line inside this process: quick, and with everything it says."""

import signal
import sys
from dataclasses import dataclass

import pytest

from stagecut.compiler.cli import main as command_line


@dataclass(frozen=True, slots=True)
class Said:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


def stagecut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object
) -> Said:
    """`stagecut ARGUMENTS...`; the signal handlers of this process are put back."""
    capsys.readouterr()  # what was printed before is none of its
    monkeypatch.setattr(sys, "argv", ["stagecut", *map(str, arguments)])
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        code = _exit_code()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    captured = capsys.readouterr()
    return Said(code, captured.out, captured.err)


def _exit_code() -> int:
    try:
        command_line.run_here()
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 0
    return 0
