"""A promise answers one who waits, once, whoever else wants to."""

import threading
from concurrent.futures import CancelledError, InvalidStateError

import numpy as np
import pytest

from stagecut.runtime.stream.promise import Promise

OUTPUTS = [np.ones(1)]


def test_what_comes_out() -> None:
    promise = Promise()
    assert not promise.done()
    assert promise.set_running_or_notify_cancel()
    promise.set_result(OUTPUTS)
    assert promise.done()
    assert promise.result() is OUTPUTS
    assert promise.exception() is None
    assert promise.result() is OUTPUTS


def test_an_error() -> None:
    promise = Promise()
    promise.set_exception(ValueError("no"))
    assert isinstance(promise.exception(), ValueError)
    with pytest.raises(ValueError, match="no"):
        promise.result()
    assert not promise.cancelled()


def test_there_is_one_answer() -> None:
    promise = Promise()
    promise.set_result(OUTPUTS)
    with pytest.raises(InvalidStateError):
        promise.set_exception(ValueError())
    assert not promise.cancel()
    assert promise.result() is OUTPUTS


def test_what_is_cancelled_never_begins() -> None:
    promise = Promise()
    assert promise.cancel()
    assert promise.cancel()
    assert promise.cancelled()
    assert not promise.set_running_or_notify_cancel()
    with pytest.raises(InvalidStateError):
        promise.set_result(OUTPUTS)
    with pytest.raises(CancelledError):
        promise.result()
    with pytest.raises(CancelledError):
        promise.exception()


def test_what_has_begun_is_not_cancelled() -> None:
    promise = Promise()
    assert promise.set_running_or_notify_cancel()
    assert not promise.cancel()
    assert not promise.done()


def test_who_waits_is_woken() -> None:
    promise = Promise()
    with pytest.raises(TimeoutError):
        promise.result(0.0)
    answering = threading.Thread(target=promise.set_result, args=(OUTPUTS,))
    answering.start()
    assert promise.result(10.0) is OUTPUTS
    answering.join()


def test_callbacks_run_once() -> None:
    promise = Promise()
    told: list[Promise] = []
    promise.add_done_callback(told.append)
    assert not told
    promise.set_result(OUTPUTS)
    assert told == [promise]
    promise.add_done_callback(told.append)
    assert told == [promise, promise]


def test_callbacks_run_in_their_order() -> None:
    """As those of a Future."""
    promise = Promise()
    told: list[int] = []
    for at in range(3):
        promise.add_done_callback(lambda _, at=at: told.append(at))  # type: ignore[misc]
    promise.set_result(OUTPUTS)
    assert told == [0, 1, 2]


def test_what_a_callback_raises_comes_out_where_it_is_answered() -> None:
    promise = Promise()
    told: list[Promise] = []

    def failing(_: Promise) -> None:
        raise ValueError("mine")

    promise.add_done_callback(failing)
    promise.add_done_callback(told.append)
    with pytest.raises(ValueError, match="mine"):
        promise.set_result(OUTPUTS)
    assert promise.result() is OUTPUTS
    assert not told


def test_one_of_many_begins_or_cancels() -> None:
    """Two threads that begin and two that cancel, of two hundred promises: each has one of them."""
    promises = [Promise() for _ in range(200)]
    begun: list[Promise] = []

    def begin() -> None:
        begun.extend(each for each in promises if each.set_running_or_notify_cancel())

    def cancel() -> None:
        for each in promises:
            each.cancel()

    threads = [threading.Thread(target=each) for each in (begin, cancel) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(begun) + sum(each.cancelled() for each in promises) == len(promises)
    assert not any(each.cancelled() for each in begun)
