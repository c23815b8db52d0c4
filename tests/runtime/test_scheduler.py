"""Who runs what next in a stream: cases by eye, and anything at random against the slow answer."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecut.runtime.scheduler import Scheduler, Start


def _scheduler(*replicas: int, batch: int = 1, limit: int = 99) -> Scheduler[int]:
    return Scheduler(replicas, batches=(batch,) * len(replicas), limit=limit)


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
    scheduler: Scheduler[int] = Scheduler((1,), batches=(3,), limit=99, full=True)
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


#: The batches of three stages, and how inputs are in the first one's calls -> what the second one
#: begins with, one call after the other.
GATHERED = {
    "put together": ((1, 4, 1), [[0], [1], [2], [3], [4]], [(0, 1, 2, 3), (4,)]),
    "too few": ((1, 4, 1), [[0], [1], [2]], [(0,), (1,), (2,)]),
    "as they are": ((4, 4, 1), [[0, 1, 2, 3], [4]], [(0, 1, 2, 3), (4,)]),
    "not put together later": ((4, 4, 1), [[0], [1], [2], [3]], [(0,), (1,), (2,), (3,)]),
    "one by one again": ((4, 1, 1), [[0, 1, 2, 3], [4]], [(0,), (1,), (2,), (3,), (4,)]),
}


@pytest.mark.parametrize(("batches", "came", "begun"), GATHERED.values(), ids=GATHERED.keys())
def test_a_stage_takes_batches_or_single_inputs_whatever_the_others_take(
    batches: tuple[int, ...], came: list[list[int]], begun: list[tuple[int, ...]]
) -> None:
    scheduler: Scheduler[int] = Scheduler((9, 1, 9), batches=batches, limit=99, full=True)
    held = Start(1, 0, (99,))
    scheduler.arrive(99, None)  # keeps the second stage busy, until all the others are before it
    scheduler.admit()
    [start] = scheduler.begin()
    scheduler.end(start)
    assert scheduler.begin() == [held]
    for together in came:
        for number in together:
            scheduler.arrive(number, None)
        scheduler.admit()
        for start in scheduler.begin():
            scheduler.end(start)
    seen, alone = [], []
    for _ in begun:
        scheduler.end(held)
        for start in scheduler.begin():
            if start.stage == 1:
                held = start
                seen.append(start.inputs)
            else:
                alone.append(start.inputs)
    assert seen == begun
    assert all(len(inputs) == 1 for inputs in alone)


@pytest.mark.parametrize("kinds", ["aabb", "abab"])
def test_only_those_of_one_kind_are_gathered(kinds: str) -> None:
    scheduler: Scheduler[int] = Scheduler((9, 1), batches=(1, 2), limit=99, full=True)
    for number, kind in enumerate(f"x{kinds}"):
        scheduler.arrive(number, kind)
    scheduler.admit()
    for start in scheduler.begin():
        scheduler.end(start)
    [first] = scheduler.begin()
    scheduler.end(first)
    [both] = scheduler.begin()
    assert [kinds[number - 1] for number in both.inputs] == ["a", "a"]


WRONG: dict[str, tuple[tuple[int, ...], tuple[int, ...], int, bool]] = {
    "no stage": ((), (), 1, True),
    "no replica": ((0,), (1,), 1, True),
    "an empty batch": ((1,), (0,), 1, True),
    "no room": ((1,), (1,), 0, True),
    "batches of other stages": ((1,), (1, 1), 1, True),
    "two sizes of batches": ((1, 1), (2, 4), 9, True),
    "stages that take others, not full": ((1, 1), (1, 4), 9, False),
}


@pytest.mark.parametrize(("replicas", "batches", "limit", "full"), WRONG.values(), ids=WRONG.keys())
def test_nothing_works_without_replicas_or_room(
    replicas: tuple[int, ...], batches: tuple[int, ...], limit: int, full: bool
) -> None:
    with pytest.raises(AssertionError):
        Scheduler(replicas, batches=batches, limit=limit, full=full)


@dataclass
class _One:
    """An input of the obvious simulation: `place` is "lobby", a stage it waits for, a (stage,
    replica) that runs it, or "left"; `since` orders those that wait for a stage, and is the same
    for those that are together; `order` is what these stand in."""

    number: int
    kind: int
    place: object = "lobby"
    since: tuple[int, int] = (0, 0)
    order: int = 0


@dataclass
class _Obvious:
    """Looks through all inputs for every question."""

    replicas: tuple[int, ...]
    batches: tuple[int, ...]
    limit: int
    full: bool = False
    ones: list[_One] = field(default_factory=list)
    steps: int = 0

    def at(self, place: object) -> list[_One]:
        found = [one for one in self.ones if one.place == place]
        return sorted(found, key=lambda one: (one.since, one.order, one.number))

    def admit(self) -> list[int]:
        admitted = []
        for one in self.at("lobby"):
            if sum(each.place not in {"lobby", "left"} for each in self.ones) < self.limit:
                one.place, one.since = 0, (one.number, 0)
                admitted.append(one.number)
        return admitted

    def begin(self) -> list[Start[int]]:
        starts = []
        for stage, count in enumerate(self.replicas):
            for replica in range(count):
                if self.at(stage) and not self.at((stage, replica)):
                    taken = self._taken(stage)
                    for order, one in enumerate(taken):
                        one.place, one.order = (stage, replica), order
                    numbers = tuple(one.number for one in taken)
                    starts.append(Start(stage, replica, numbers, taken[0].kind))
        return starts

    def _taken(self, stage: int) -> list[_One]:
        waiting, most = self.at(stage), self.batches[stage]
        together = [one for one in waiting if one.since == waiting[0].since]
        alone = [one for one in waiting if sum(o.since == one.since for o in waiting) == 1]
        alike = [one for one in alone if one.kind == waiting[0].kind][:most]
        if stage and most <= self.batches[stage - 1]:
            return together
        if len(together) == 1 and (len(alike) == most or not self.full):
            return alike
        return together

    def end(self, start: Start[int], *, leave: bool) -> None:
        self.steps += 1
        last = start.stage == len(self.replicas) - 1
        ones = self.at((start.stage, start.replica))
        for at, one in enumerate(ones):
            one.place = "left" if leave or last else start.stage + 1
            apart = not last and len(ones) > self.batches[start.stage + 1]
            one.since = (self.steps, at if apart else 0)


@settings(max_examples=300)
@given(
    stages=st.lists(st.tuples(st.integers(1, 3), st.booleans()), min_size=1, max_size=4),
    batch=st.integers(1, 4),
    limit=st.integers(1, 9),
    full=st.booleans(),
    data=st.data(),
)
def test_anything_that_happens_has_the_obvious_outcome(
    stages: list[tuple[int, bool]], batch: int, limit: int, full: bool, data: st.DataObject
) -> None:
    replicas = tuple(count for count, _ in stages)
    batches = tuple(batch if together or not full else 1 for _, together in stages)
    scheduler: Scheduler[int] = Scheduler(replicas, batches=batches, limit=limit, full=full)
    obvious = _Obvious(replicas, batches, limit, full)
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
            kind = data.draw(st.integers(0, 1), label="kind")
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
