"""An iterator in, an iterator out: order, errors, back-pressure, and readers that leave early."""

import gc
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from typing import Any, cast
from weakref import ref

import pytest

from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.errors import ClosedError, FeedError, StageFault
from stagecut.runtime.stream.item import Item
from stagecut.runtime.stream.results import OnError, Results
from stagecut.runtime.stream.streams import Streams, limit_of
from stagecut.runtime.variant import Variant
from tests.support.fake_variant import FakeVariant, interrupt_main_thread, item, stream_of


def _uneven(array: Tensor) -> Tensor:
    """Takes its time, one input more than another; numbers below nought fail."""
    time.sleep(random.Random(float(array[0])).uniform(0, 0.002))  # noqa: S311
    if (array < 0).any():
        raise StageFault("is below nought", stage=0, device="cpu")
    return array * 10


class Source:
    """A session's stream over one variant, and what was taken from its inputs."""

    def __init__(self, *stages: Callable[[Tensor], Tensor], replicas: int = 1, batch: int = 1):
        stream = stream_of(*[replicas] * len(stages), batch=batch)
        self.variant = FakeVariant(*stages, stream=stream)
        self.streams = Streams()
        self.taken = 0
        self.limit = limit_of([cast("Variant", self.variant)])

    def results(
        self,
        numbers: Iterable[float],
        *,
        ordered: bool = True,
        on_error: OnError = "raise",
        together: int = 1,
    ) -> Results:
        return Results(
            self._noted(numbers),
            self._item,
            self.streams,
            window=2 * self.limit,
            together=together,
            ordered=ordered,
            on_error=on_error,
        )

    def _noted(self, numbers: Iterable[float]) -> Iterator[Any]:
        for number in numbers:
            self.taken += 1
            yield number

    def _item(self, number: Feeds) -> Item:
        if number is None:
            raise FeedError("is missing", where="input x", fix="feed it")
        return item(self.variant, cast("float", number))


@pytest.fixture
def source() -> Iterator[Callable[..., Source]]:
    made: list[Source] = []

    def make(*stages: Callable[[Tensor], Tensor], **options: int) -> Source:
        made.append(Source(*stages, **options))
        return made[-1]

    yield make
    for each in made:
        each.streams.close(cancel=True)
    assert not [each for each in threading.enumerate() if each.name.startswith("stagecut")]


Make = Callable[..., Source]


def _numbers(outputs: Iterable[Any]) -> list[object]:
    return [type(one) if isinstance(one, Exception) else float(one[0][0]) for one in outputs]


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("replicas", [1, 4])
def test_outputs_are_in_the_order_of_the_inputs(source: Make, replicas: int, batch: int) -> None:
    stream = source(_uneven, _uneven, replicas=replicas, batch=batch)
    assert _numbers(stream.results(range(100))) == [100 * number for number in range(100)]


def test_or_as_they_come_each_once(source: Make) -> None:
    def late(array: Tensor) -> Tensor:
        if array[0] == 0:
            passed.wait(10)
        return array

    passed = threading.Event()
    stream = source(late, replicas=2)
    found: list[object] = []
    for outputs in stream.results(range(50), ordered=False):
        found += _numbers([outputs])
        if len(found) == 3:
            passed.set()
    assert 0 not in found[:2]
    assert Counter(found) == Counter(range(50))


@pytest.mark.parametrize("ordered", [True, False])
def test_an_input_that_fails_leaves_the_others_alone(source: Make, ordered: bool) -> None:
    numbers = [-number if number % 7 == 3 else number for number in range(60)]
    stream = source(_uneven, _uneven, replicas=2, batch=2)
    found = _numbers(stream.results(numbers, ordered=ordered, on_error="yield"))
    expected = [StageFault if number < 0 else 100 * number for number in numbers]
    assert found == expected if ordered else Counter(found) == Counter(expected)


def test_an_error_is_raised_at_its_place_and_the_stream_goes_on(source: Make) -> None:
    results = source(_uneven).results([1, -2, 3])
    assert _numbers([next(results)]) == [10]
    with pytest.raises(StageFault, match="is below nought"):
        next(results)
    assert _numbers(results) == [30]
    with pytest.raises(StopIteration):
        next(results)


def test_inputs_that_do_not_fit_have_their_errors_at_their_places(source: Make) -> None:
    results = source(_uneven).results([1, None, 3], on_error="yield")  # type: ignore[list-item]
    assert _numbers(results) == [10, FeedError, 30]


def test_an_error_of_the_inputs_comes_behind_what_was_there_before(source: Make) -> None:
    def broken() -> Iterator[float]:
        yield from (1, 2)
        raise OSError("the camera is gone")

    results = source(_uneven).results(broken())
    assert _numbers(itertools.islice(results, 2)) == [10, 20]
    with pytest.raises(OSError, match="the camera is gone"):
        next(results)
    with pytest.raises(StopIteration):
        next(results)


def test_a_slow_reader_holds_the_inputs_back(source: Make) -> None:
    stream = source(_uneven)
    results = stream.results(itertools.count())
    assert stream.taken == 0
    for read in range(1, 20):
        next(results)
        time.sleep(0.002)
        assert stream.taken <= read + 2 * stream.limit + 1


def test_a_reader_that_leaves_cancels_what_has_not_begun(source: Make) -> None:
    ran: list[float] = []
    left = threading.Event()

    def stage(array: Tensor) -> Tensor:
        ran.append(float(array[0]))
        assert array[0] == 0 or left.wait(10)
        return array

    stream = source(stage)
    with stream.results(itertools.count()) as results:
        next(results)
    left.set()
    assert [*results] == []
    stream.streams.close(cancel=False)
    assert len(ran) <= 2 < stream.taken


def test_a_reader_that_is_dropped_has_left(source: Make) -> None:
    stream = source(_uneven)
    results = stream.results(itertools.count())
    for _ in results:
        break
    pending = [*results._pending._futures]  # type: ignore[attr-defined]
    del results, _
    gc.collect()
    stream.streams.close(cancel=False)
    assert all(future.done() for future in pending)
    assert stream.taken < 10


@pytest.mark.parametrize("ordered", [True, False])
def test_ctrl_c_in_the_reader(source: Make, ordered: bool) -> None:
    def stage(array: Tensor) -> Tensor:
        if array[0] == 5:
            time.sleep(0.05)  # meanwhile the reader has come to wait for this output
            interrupt_main_thread()
            assert released.wait(10)
        return array

    def read() -> None:
        with results:
            for _ in results:
                pass

    released = threading.Event()
    stream = source(stage)
    results = stream.results(itertools.count(), ordered=ordered)
    with pytest.raises(KeyboardInterrupt):
        read()
    released.set()
    assert [*results] == []
    stream.streams.close(cancel=False)


@pytest.mark.parametrize("ordered", [True, False])
def test_who_waits_while_another_thread_closes_finds_the_end(source: Make, ordered: bool) -> None:
    waiting, go_on = threading.Event(), threading.Event()
    found: list[object] = []

    def stage(array: Tensor) -> Tensor:
        if array[0] == 1:
            waiting.set()
            assert go_on.wait(10)
        return array

    def read() -> None:
        try:
            found.extend(_numbers(results))
        except BaseException as error:
            found.append(error)

    stream = source(stage)
    results = stream.results(itertools.count(), ordered=ordered)
    reader = threading.Thread(target=read)
    reader.start()
    assert waiting.wait(10)
    time.sleep(0.02)  # until the reader waits for what is held up
    results.close()
    go_on.set()
    reader.join()
    assert not [each for each in found if isinstance(each, BaseException)]
    stream.streams.close(cancel=False)


def test_producers_share_the_threads(source: Make) -> None:
    stream = source(_uneven, _uneven, replicas=2)
    found: dict[int, list[object]] = {}

    def produce(first: int) -> None:
        found[first] = _numbers(stream.results(range(first, first + 40)))

    threads = [threading.Thread(target=produce, args=(first,)) for first in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {
        first: [100 * number for number in range(first, first + 40)] for first in (0, 100, 200)
    }
    assert len([each for each in threading.enumerate() if each.name.startswith("stagecut")]) == 4


@pytest.mark.parametrize("cancel", [False, True])
def test_a_stream_that_is_closed_meanwhile(source: Make, cancel: bool) -> None:
    stream = source(_uneven)
    results = stream.results(itertools.count())
    next(results)
    pending = len(results._pending)
    stream.streams.close(cancel=cancel)
    if cancel:
        with pytest.raises((CancelledError, ClosedError)):
            _numbers(results)
        return
    assert _numbers(itertools.islice(results, pending)) == [10 * n for n in range(1, 1 + pending)]
    with pytest.raises(ClosedError):
        next(results)


@pytest.mark.parametrize("batch", [1, 3])
def test_neither_outputs_nor_errors_are_kept(source: Make, batch: int) -> None:
    kept: list[ref[Any]] = []

    def stage(array: Tensor) -> Tensor:
        result = _uneven(array)
        kept.append(ref(result))
        return result

    results = source(stage, batch=batch).results([1, 2, 3, -4, 5], on_error="yield")
    gc.disable()
    try:
        for outputs in results:
            if isinstance(outputs, Exception):
                kept.append(ref(outputs))
        del outputs
        assert [each() for each in kept] == [None] * len(kept)
    finally:
        gc.enable()


def test_what_is_no_iterable() -> None:
    with pytest.raises(TypeError, match="not iterable"):
        Results(7, None, None, window=1, together=1, ordered=True, on_error="raise")  # type: ignore[arg-type]


@pytest.mark.parametrize("together", [2, 3, 100])
def test_outputs_that_are_waited_for_together(source: Make, together: int) -> None:
    """All come, in order, errors in their places; also the last ones, of which there are fewer."""
    numbers = [*range(9), -1, *range(9)]
    results = source(_uneven, replicas=3).results(numbers, on_error="yield", together=together)
    found = [*results]
    assert [at for at, one in enumerate(found) if isinstance(one, Exception)] == [9]
    outputs = [one[0].tolist() for one in found if not isinstance(one, Exception)]
    assert outputs == [[10 * number] for number in numbers if number >= 0]


def test_the_first_does_not_wait_for_others_that_take_long(source: Make) -> None:
    """The second one waits for the reader, who has the first one by then."""
    read = threading.Event()

    def stage(array: Tensor) -> Tensor:
        assert array[0] == 0 or read.wait(10)
        return array

    results = source(stage, replicas=2).results(range(2), together=2)
    first = next(results)
    read.set()
    assert not isinstance(first, Exception)
    assert first[0].tolist() == [0]
    assert len([*results]) == 1
