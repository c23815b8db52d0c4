"""Turns: who runs how often, who is told that it counts, and when it ends."""

from collections.abc import Callable, Iterable, Iterator

import pytest

from stagecut.compiler.ir.costs import Spread
from stagecut.compiler.ir.device import Item, silent
from stagecut.passes.profile.rounds import Rounds, interleave, median_and_spread


class Tasks:
    """Writes down who ran: capitals warm up. Each run takes `run_s`, by a clock of its own."""

    def __init__(self, names: str, run_s: float = 0.0) -> None:
        self.ran = ""
        self.now_s = 0.0
        self.tasks = [self._task(name, run_s) for name in names]

    def clock(self) -> float:
        return self.now_s

    def _task(self, name: str, run_s: float) -> Callable[[bool], None]:
        def run(counts: bool) -> None:
            self.ran += name if counts else name.upper()
            self.now_s += run_s

        return run


def test_every_task_has_its_turn_in_every_round() -> None:
    tasks = Tasks("abc")
    rounds = Rounds(least=2, most=2, budget_s=0.0, warm_up=1, counted=3)
    assert interleave(tasks.tasks, rounds, tasks.clock, silent, "") == [6, 6, 6]
    assert tasks.ran == "AaaaBbbbCccc" * 2


def test_a_long_run_counts_from_the_second_turn_on_and_is_one() -> None:
    tasks = Tasks("ab", run_s=0.5)
    rounds = Rounds(least=2, most=4, budget_s=0.0, warm_up=1, counted=3)
    assert interleave(tasks.tasks, rounds, tasks.clock, silent, "") == [4, 4]
    assert tasks.ran == "AaaaBbbb" + "ab"


def test_so_it_does_from_the_first_turn_on_where_it_is_known_and_more_rounds_make_up_for_it() -> (
    None
):
    tasks = Tasks("ab", run_s=0.5)
    rounds = Rounds(least=2, most=9, budget_s=0.0, warm_up=1, counted=3)
    known_s = [0.5, 0.5]
    found = interleave(tasks.tasks, rounds, tasks.clock, silent, "", took_s=known_s)
    assert (found, tasks.ran) == ([4, 4], "ab" * 4)


def test_what_is_done_before_a_run_does_not_make_it_long() -> None:
    tasks = Tasks("ab", run_s=0.05)
    rounds = Rounds(least=2, most=2, budget_s=0.0, warm_up=1, counted=2)

    def before(number: int) -> None:
        tasks.ran += str(number)
        tasks.now_s += 0.5

    found = interleave(tasks.tasks, rounds, tasks.clock, silent, "", before=before)
    assert (found, tasks.ran) == ([4, 4], "0A0a0a1B1b1b" * 2)


#: Least and most rounds, the budget, what a run takes, and how many rounds there are.
ENDS = {
    "the least number, whatever it takes": (3, 9, 0.0, 1.0, 3),
    "as long as there is time": (1, 9, 3.5, 1.0, 4),
    "no more than the most": (1, 5, 100.0, 1.0, 5),
}


@pytest.mark.parametrize(
    ("least", "most", "budget_s", "took_s", "rounds"), ENDS.values(), ids=ENDS.keys()
)
def test_when_it_ends(least: int, most: int, budget_s: float, took_s: float, rounds: int) -> None:
    tasks = Tasks("a", took_s)
    limits = Rounds(least, most, budget_s, warm_up=0, counted=1)
    assert interleave(tasks.tasks, limits, tasks.clock, silent, "") == [rounds]
    assert tasks.ran == "a" * rounds


def test_it_ends_as_soon_as_it_is_enough_from_the_least_number_on() -> None:
    tasks = Tasks("a")
    rounds = Rounds(least=2, most=9, budget_s=1.0, warm_up=0, counted=1)
    found = interleave(
        tasks.tasks, rounds, tasks.clock, silent, "", enough=lambda: len(tasks.ran) >= 4
    )
    assert found == [4]


def test_those_that_are_out_of_the_race_wait() -> None:
    tasks = Tasks("abc")
    rounds = Rounds(least=3, most=3, budget_s=0.0, warm_up=0, counted=1)
    interleave(tasks.tasks, rounds, lambda: 0.0, silent, "", left=lambda: [0, 2])
    assert tasks.ran == "abc" + "ac" * 2


def test_progress_is_told_how_many_rounds_there_may_be() -> None:
    told: list[tuple[str, int | None]] = []

    def progress(items: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
        told.append((label, total))
        return iter(items)

    interleave([], Rounds(1, 7, 0.0), lambda: 0.0, progress, "profiling")
    assert told == [("profiling", 7)]


SPREADS = {
    "one": ([3.0], 3.0, Spread(1, 3.0, 3.0, 3.0)),
    "two": ([3.0, 1.0], 1.0, Spread(2, 1.0, 1.0, 3.0)),
    "three": ([3.0, 1.0, 2.0], 2.0, Spread(3, 1.0, 1.0, 3.0)),
    "eight": ([8.0, 1, 2, 3, 4, 5, 6, 7], 4.5, Spread(8, 1.0, 3.0, 6.0)),
}


@pytest.mark.parametrize(("samples", "median", "spread"), SPREADS.values(), ids=SPREADS.keys())
def test_median_and_spread(samples: list[float], median: float, spread: Spread) -> None:
    assert median_and_spread(samples) == (median, spread)
