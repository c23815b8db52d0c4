"""A wish to stop is told from whatever somebody else's code raises."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from stagecut.compiler.ir.stop import Stopped, asks_to_stop, stop


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


@pytest.mark.parametrize("error", [SystemExit(0), GeneratorExit(), ValueError()], ids=repr)
def test_nothing_else_is(error: BaseException) -> None:
    assert not asks_to_stop(error)
