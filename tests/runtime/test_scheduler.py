"""Who runs what next in a stream: cases by eye, and anything at random against the slow answer."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecut.runtime.scheduler import Scheduler, Start


def _scheduler(*replicas: int, batch: int = 1, limit: int = 99) -> Scheduler[int]:
    return Scheduler(replicas, batch=batch, limit=limit)


def _begin(scheduler: Scheduler[int]) -> list[tuple[int, int, tuple[int, ...]]]:
    scheduler.admit()
    return [(start.stage, start.replica, start.inputs) for start in scheduler.begin()]


def test_the_picture_in_the_docstring() -> None:
    scheduler = _scheduler(1, 2, limit=4)
    for number in range(7):
        scheduler.arrive(number, None)
    assert scheduler.admit() == [0, 1, 2, 3]
    [zero] = scheduler.begin()
    scheduler.end(zero)
    one, later_zero = scheduler.begin()
    assert (one, later_zero) == (Start(0, 0, (1,)), Start(1, 0, (0,)))
    scheduler.end(one)
    two, later_one = scheduler.begin()
    assert (two, later_one) == (Start(0, 0, (2,)), Start(1, 1, (1,)))
    scheduler.end(later_zero)
    scheduler.end(two)
    assert _begin(scheduler) == [(0, 0, (3,)), (1, 0, (2,))]
    assert scheduler.depths == (1, 0)
    assert [*scheduler.not_begun()] == [4, 5, 6]
    assert not scheduler.has_room


def test_a_batch_is_what_is_there_of_one_kind_and_never_waited_for() -> None:
    scheduler = _scheduler(1, batch=3)
    scheduler.arrive(0, "a")
    assert _begin(scheduler) == [(0, 0, (0,))]
    for number, kind in enumerate("abaaba", start=1):
        scheduler.arrive(number, kind)
    scheduler.admit()
    taken: list[tuple[int, ...]] = [(0,)]
    while not scheduler.is_empty:
        scheduler.end(Start(0, 0, taken[-1]))
        taken += [start.inputs for start in scheduler.begin()]
    assert taken[1:] == [(1, 3, 4), (2, 5), (6,)]


def test_a_batch_is_full_or_a_single_input_where_others_would_have_to_be_made() -> None:
    scheduler: Scheduler[int] = Scheduler((1,), batch=3, limit=99, full=True)
    for number, kind in enumerate("aabaab"):
        scheduler.arrive(number, kind)
    scheduler.admit()
    taken = [start.inputs for start in scheduler.begin()]
    while not scheduler.is_empty:
        scheduler.end(Start(0, 0, taken[-1]))
        taken += [start.inputs for start in scheduler.begin()]
    assert taken == [(0, 1, 3), (2,), (4,), (5,)]


def test_only_what_nobody_has_begun_with_can_be_withdrawn() -> None:
    scheduler = _scheduler(1, limit=2)
    for number in range(4):
        scheduler.arrive(number, None)
    assert _begin(scheduler) == [(0, 0, (0,))]
    assert [scheduler.withdraw(number) for number in (0, 1, 3, 3, 7)] == [0, 1, 1, 0, 0]
    assert scheduler.admit() == [2]
    assert scheduler.has_room is False


def test_what_is_done_with_leaves_before_the_last_stage() -> None:
    scheduler = _scheduler(1, 1, limit=1)
    scheduler.arrive(0, None)
    scheduler.admit()
    [start] = scheduler.begin()
    scheduler.end(start, leave=True)
    assert scheduler.is_empty
    assert scheduler.has_room


@pytest.mark.parametrize("wrong", [((), 1, 1), ((0,), 1, 1), ((1,), 0, 1), ((1,), 1, 0)])
def test_nothing_works_without_replicas_or_room(wrong: tuple[tuple[int, ...], int, int]) -> None:
    replicas, batch, limit = wrong
    with pytest.raises(AssertionError):
        Scheduler(replicas, batch=batch, limit=limit)


@dataclass
class _One:
    """An input of the obvious simulation: `place` is "lobby", a stage it waits for, a (stage,
    replica) that runs it, or "left"; `since` orders those that wait for a stage, and is the same
    for those that are together."""

    number: int
    kind: int
    place: object = "lobby"
    since: int = 0


@dataclass
class _Obvious:
    """Looks through all inputs for every question."""

    replicas: tuple[int, ...]
    batch: int
    limit: int
    full: bool = False
    ones: list[_One] = field(default_factory=list)
    steps: int = 0

    def at(self, place: object) -> list[_One]:
        return [one for one in self.ones if one.place == place]

    def admit(self) -> list[int]:
        admitted = []
        for one in self.at("lobby"):
            if sum(each.place not in {"lobby", "left"} for each in self.ones) < self.limit:
                one.place, one.since = 0, one.number
                admitted.append(one.number)
        return admitted

    def begin(self) -> list[Start[int]]:
        starts = []
        for stage, count in enumerate(self.replicas):
            for replica in range(count):
                waiting = sorted(self.at(stage), key=lambda one: (one.since, one.number))
                if waiting and not self.at((stage, replica)):
                    first = waiting[0]
                    taken = [one for one in waiting if one.since == first.since]
                    if stage == 0:
                        taken = [one for one in waiting if one.kind == first.kind][: self.batch]
                        taken = taken[:1] if self.full and len(taken) < self.batch else taken
                    for one in taken:
                        one.place = (stage, replica)
                    starts.append(Start(stage, replica, tuple(one.number for one in taken)))
        return starts

    def end(self, start: Start[int], *, leave: bool) -> None:
        self.steps += 1
        last = start.stage == len(self.replicas) - 1
        for one in self.at((start.stage, start.replica)):
            one.place, one.since = "left" if leave or last else start.stage + 1, self.steps


@settings(max_examples=300)
@given(
    replicas=st.lists(st.integers(1, 3), min_size=1, max_size=4).map(tuple),
    batch=st.integers(1, 4),
    limit=st.integers(1, 9),
    full=st.booleans(),
    data=st.data(),
)
def test_anything_that_happens_has_the_obvious_outcome(
    replicas: tuple[int, ...], batch: int, limit: int, full: bool, data: st.DataObject
) -> None:
    scheduler: Scheduler[int] = Scheduler(replicas, batch=batch, limit=limit, full=full)
    obvious = _Obvious(replicas, batch, limit, full)
    running: list[Start[int]] = []
    for number in range(data.draw(st.integers(0, 60), label="events")):
        event = data.draw(st.sampled_from(["arrive", "arrive", "end", "withdraw"]), label="event")
        if event == "end" and running:
            start = running.pop(data.draw(st.integers(0, len(running) - 1)))
            leave = data.draw(st.integers(0, 9)) == 0
            scheduler.end(start, leave=leave)
            obvious.end(start, leave=leave)
        elif event == "withdraw" and obvious.ones:
            one = data.draw(st.sampled_from(obvious.ones))
            assert scheduler.withdraw(one.number) == (one.place in ("lobby", 0))
            one.place = "left" if one.place in ("lobby", 0) else one.place
        else:
            kind = data.draw(st.integers(0, 2), label="kind")
            scheduler.arrive(number, kind)
            obvious.ones.append(_One(number, kind))
        running += _settled(scheduler, obvious)
    while running:
        start = running.pop()
        scheduler.end(start)
        obvious.end(start, leave=False)
        running += _settled(scheduler, obvious)
    assert scheduler.is_empty
    assert all(one.place == "left" for one in obvious.ones)


def _settled(scheduler: Scheduler[int], obvious: _Obvious) -> list[Start[int]]:
    waiting = [one for place in ("lobby", 0) for one in obvious.at(place)]
    assert sorted(scheduler.not_begun()) == sorted(one.number for one in waiting)
    assert scheduler.admit() == obvious.admit()
    starts = scheduler.begin()
    assert starts == obvious.begin()
    assert scheduler.depths == tuple(
        len(obvious.at(stage)) for stage in range(len(obvious.replicas))
    )
    in_flight = sum(one.place not in {"lobby", "left"} for one in obvious.ones)
    assert in_flight <= obvious.limit
    assert scheduler.has_room == (in_flight + len(obvious.at("lobby")) < obvious.limit)
    return starts
