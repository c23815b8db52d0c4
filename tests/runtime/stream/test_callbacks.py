"""Callbacks: in order, in a thread of their own, whatever they wait for."""

import logging
import sys
import threading
from concurrent.futures import CancelledError, Future
from typing import Any

import pytest

from stagecut.runtime.stream.callbacks import Callbacks, CalledBack
from stagecut.runtime.stream.streams import Streams
from tests.support.fake_variant import FakeVariant, item, stream_of

WAIT_S = 30


def _threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("stagecut")]


def test_in_order_and_in_one_thread() -> None:
    callbacks = Callbacks()
    seen: list[tuple[int, int, str]] = []
    futures = [CalledBack(callbacks) for _ in range(5)]
    for number, future in enumerate(futures):
        future.add_done_callback(
            lambda done, number=number: seen.append(  # type: ignore[misc]
                (number, done.result(), threading.current_thread().name)
            )
        )
    assert not _threads()
    for number in (3, 0, 4, 1, 2):
        futures[number].set_result(10 * number)
    callbacks.dismiss()
    callbacks.join()
    assert seen == [(number, 10 * number, "stagecut callbacks") for number in (3, 0, 4, 1, 2)]
    assert not _threads()


def test_what_is_done_calls_back_at_once() -> None:
    callbacks = Callbacks()
    seen: list[threading.Thread] = []
    future = CalledBack(callbacks)
    future.set_result(1)
    future.add_done_callback(lambda _: seen.append(threading.current_thread()))
    assert seen == [threading.current_thread()]
    callbacks.join()


def test_what_a_callback_raises_is_logged_and_the_next_one_runs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    callbacks = Callbacks()
    seen: list[Future[Any]] = []
    one, other = CalledBack(callbacks), CalledBack(callbacks)
    one.add_done_callback(lambda _: 1 / 0)
    one.add_done_callback(lambda _: sys.exit(3))
    other.add_done_callback(seen.append)
    with caplog.at_level(logging.ERROR, "concurrent.futures"):
        one.set_result(None)
        other.cancel()
        callbacks.dismiss()
        callbacks.join()
    assert seen == [other]
    with pytest.raises(CancelledError):
        other.result()
    assert "exception calling callback" in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert "SystemExit" in caplog.text


def test_a_callback_that_waits_for_the_replica_that_answered() -> None:
    """There is one replica, and room for two: each callback submits two more, and waits for one."""
    streams = Streams()
    variant = FakeVariant(lambda array: array + 1, stream=stream_of(1))
    done = threading.Event()
    found: list[float] = []

    def submit(number: float) -> "Future[Any]":
        one = item(variant, number)
        one.future = CalledBack(streams.callbacks)
        streams.submit(one, "block")
        return one.future

    def go_on(future: "Future[Any]") -> None:
        [[number]] = future.result()
        found.append(number)
        if number >= 20:
            done.set()
            return
        further = [submit(number + 1), submit(number + 2), submit(number + 3)]
        further[2].result(WAIT_S)
        further[2].add_done_callback(lambda _: None)
        further[0].result(WAIT_S)
        further[1].add_done_callback(go_on)

    submit(0).add_done_callback(go_on)
    assert done.wait(WAIT_S)
    streams.close(cancel=False)
    assert found == sorted(found)
    assert not _threads()


def test_close_from_a_callback_and_close_waits_for_callbacks() -> None:
    streams = Streams()
    variant = FakeVariant(lambda array: array)
    one = item(variant, 1)
    one.future = CalledBack(streams.callbacks)
    closed = threading.Event()
    go = threading.Event()

    def close(_: object) -> None:
        assert go.wait(WAIT_S)
        streams.close(cancel=False)
        closed.set()

    one.future.add_done_callback(close)
    streams.submit(one, "block")
    one.future.result(WAIT_S)
    go.set()
    streams.close(cancel=False)
    assert closed.wait(WAIT_S)
    assert not _threads()


def test_they_go_with_their_session() -> None:
    streams = Streams()
    one = item(FakeVariant(lambda array: array), 1)
    one.future = CalledBack(streams.callbacks)
    seen = threading.Event()
    one.future.add_done_callback(lambda _: seen.set())
    streams.submit(one, "block")
    threads = [each for each in threading.enumerate() if each.name.startswith("stagecut")]
    del streams, one
    assert seen.wait(WAIT_S)
    for thread in (*threads, *threading.enumerate()):
        if thread.name.startswith("stagecut"):
            thread.join(WAIT_S)
    assert not _threads()
