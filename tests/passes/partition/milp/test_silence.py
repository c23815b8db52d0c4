"""What C++ prints while HiGHS runs is seen nowhere, and all else is."""

import ctypes
import os
from pathlib import Path

import pytest

from stagecut.passes.partition.milp.silence import Silence


def _print_in_c(text: str) -> None:
    """As HiGHS does: by C's own standard output, with its own buffer."""
    ctypes.CDLL(None).printf(text.encode())


def test_what_c_prints_is_not_seen(capfd: pytest.CaptureFixture[str]) -> None:
    os.write(1, b"before\n")
    with Silence():
        _print_in_c("a message that heeds no option\n")
    os.write(1, b"after\n")
    assert capfd.readouterr().out == "before\nafter\n"


def test_the_last_one_gives_it_back(capfd: pytest.CaptureFixture[str]) -> None:
    """Two at once, the first of which ends first."""
    silence = Silence()
    silence.__enter__()
    silence.__enter__()
    silence.__exit__(None, None, None)
    os.write(1, b"still away\n")
    silence.__exit__(None, None, None)
    os.write(1, b"back\n")
    assert capfd.readouterr().out == "back\n"


def test_it_comes_back_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="wrong"), Silence():
        raise ValueError("wrong")
    os.write(1, b"back\n")
    assert capfd.readouterr().out == "back\n"


def test_no_descriptor_is_left_open() -> None:
    silence = Silence()
    before = [*Path("/proc/self/fd").iterdir()]
    for _ in range(3):
        with silence:
            pass
    assert len([*Path("/proc/self/fd").iterdir()]) == len(before)


def test_standard_output_may_be_closed() -> None:
    kept = os.dup(1)
    try:
        os.close(1)
        with Silence():
            pass
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(1)
    finally:
        os.dup2(kept, 1)
        os.close(kept)
