"""Inputs at a given rate, on a clock that only moves when somebody waits or works."""

from collections.abc import Callable
from concurrent.futures import Future

import pytest

from stagecut.runtime.stream.load import OpenLoad, open_loop


class Server:
    """Answers after `takes_s` of a virtual clock, in `submit` itself: there is room for one."""

    def __init__(self, takes_s: Callable[[int], float], fails: tuple[int, ...] = ()) -> None:
        self.now_s = 0.0
        self.begun_s: list[float] = []
        self.watched = 0
        self._takes_s = takes_s
        self._fails = fails

    def load(self, rate: float, seconds: float) -> OpenLoad:
        return open_loop(
            self._submit,
            rate=rate,
            seconds=seconds,
            clock=lambda: self.now_s,
            sleep=self._sleep,
            watch=self._watch,
        )

    def _submit(self) -> "Future[int]":
        index = len(self.begun_s)
        self.begun_s.append(self.now_s)
        self.now_s += self._takes_s(index)
        future: Future[int] = Future()
        if index in self._fails:
            future.set_exception(ValueError(index))
        else:
            future.set_result(index)
        return future

    def _sleep(self, time_s: float) -> None:
        assert 0 < time_s <= 0.1
        self.now_s += time_s

    def _watch(self) -> None:
        self.watched += 1


def test_inputs_come_at_even_distances() -> None:
    server = Server(lambda _: 0.5)
    load = server.load(rate=1.0, seconds=4.0)
    assert server.begun_s == pytest.approx([0, 1, 2, 3])
    assert (load.intended, load.begun, load.failed, load.error) == (4, 4, 0, None)
    assert (load.elapsed_s, load.p50_s, load.p99_s) == pytest.approx((4.0, 0.5, 0.5))
    assert load.outputs_per_s == pytest.approx(1.0)
    assert server.watched >= 4


def test_who_is_late_has_waited_since_he_was_due() -> None:
    """The first takes 3.5 s: the next three begin late, and all that counts for them."""
    server = Server(lambda index: 3.5 if index == 0 else 0.1)
    load = server.load(rate=1.0, seconds=6.0)
    assert server.begun_s == pytest.approx([0, 3.5, 3.6, 3.7, 4, 5])
    assert load.p99_s == pytest.approx(3.5)
    assert load.p50_s == pytest.approx((0.8 + 1.7) / 2)  # 3.5, 2.6, 1.7, 0.8, 0.1, 0.1


def test_what_was_never_begun_counts_with_what_it_has_waited() -> None:
    server = Server(lambda _: 2.0)
    load = server.load(rate=2.0, seconds=4.0)
    assert (load.intended, load.begun) == (8, 3)
    assert load.elapsed_s == 6.0
    # begun: 2 - 0, 4 - 0.5, 6 - 1; waiting until 6 since 1.5, 2, 2.5, 3, 3.5
    assert load.p50_s == pytest.approx((3.5 + 3.5) / 2)
    assert load.p99_s == pytest.approx(5.0)


def test_what_fails_is_counted_and_told() -> None:
    load = Server(lambda _: 0.1, fails=(1, 3)).load(rate=1.0, seconds=5.0)
    assert (load.begun, load.failed, str(load.error)) == (5, 2, "1")
    assert load.outputs_per_s == pytest.approx(3 / 5)


def test_one_input_at_the_least() -> None:
    """And no more of them are done in a second than there are."""
    load = Server(lambda _: 0.0).load(rate=0.01, seconds=1.0)
    assert (load.intended, load.outputs_per_s) == (1, 1.0)
