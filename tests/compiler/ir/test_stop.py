"""A wish to stop is told from whatever somebody else's code raises."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stagecut.compiler.ir.stop import Stopped, asks_to_stop, stop, stopping


@pytest.fixture(autouse=True)
def _hook_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)


@contextmanager
def _handling(handler: Callable[..., object] | signal.Handlers) -> Iterator[None]:
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_signal_becomes_an_exception_with_its_exit_code() -> None:
    with pytest.raises(Stopped) as stopped:
        stop(signal.SIGTERM, None)
    assert stopped.value.exit_code == 143
    assert asks_to_stop(stopped.value)
    assert not isinstance(stopped.value, Exception)


def test_a_keyboard_interrupt_is_the_users_where_ctrl_c_raises_it() -> None:
    with _handling(signal.default_int_handler):
        assert asks_to_stop(KeyboardInterrupt())
    for other in (signal.SIG_IGN, stop):
        with _handling(other):
            assert not asks_to_stop(KeyboardInterrupt())


def test_a_wish_that_is_swallowed_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stagecut.compiler.ir.stop._AGAIN_S", 0.001)
    alarm = signal.getsignal(signal.SIGALRM)
    try:
        with _handling(stop):
            with pytest.raises(Stopped):
                signal.raise_signal(signal.SIGINT)
            with pytest.raises(Stopped) as stopped:
                _wait()
        assert stopped.value.exit_code == 130
    finally:
        stopping()
        signal.signal(signal.SIGALRM, alarm)


_TIDYING_UP = """
import signal, weakref
from stagecut.compiler.ir.stop import stop

class Kept: pass

signal.signal(signal.SIGTERM, stop)
kept = Kept()
weakref.finalize(kept, ACT)
del kept
"""


def test_what_is_swallowed_while_something_is_tidied_up_is_no_traceback() -> None:
    def said(act: str) -> str:
        code = _TIDYING_UP.replace("ACT", act)
        command = [sys.executable, "-c", code]
        return subprocess.run(command, capture_output=True, text=True, check=False).stderr

    assert said("signal.raise_signal, signal.SIGTERM") == ""
    assert "ZeroDivisionError" in said("lambda: 1 / 0")


def _wait() -> None:
    while True:
        signal.pause()


def test_while_a_module_is_loaded_the_process_ends_at_once(tmp_path: Path) -> None:
    (tmp_path / "greedy.py").write_text(
        "import os, signal\n"
        "try:\n    os.kill(os.getpid(), signal.SIGINT)\nexcept BaseException:\n    pass\n"
    )
    code = (
        "import signal; from stagecut.compiler.ir.stop import stop;"
        "signal.signal(signal.SIGINT, stop); import greedy; print('went on')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "stopped\n")


@pytest.mark.parametrize("error", [SystemExit(0), GeneratorExit(), ValueError()], ids=repr)
def test_nothing_else_is(error: BaseException) -> None:
    assert not asks_to_stop(error)
