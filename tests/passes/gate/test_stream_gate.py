"""Streams take turns, and their periods become contenders."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from stagecut.compiler.ir.contender import Contender
from stagecut.compiler.ir.device import Feeds, silent
from stagecut.compiler.ir.machine import Device
from stagecut.compiler.ir.objective import THROUGHPUT
from stagecut.compiler.ir.stream import StreamRun
from stagecut.passes.gate.gate import choose
from stagecut.passes.gate.stream_contenders import StreamProposal, replicas_of_all
from stagecut.passes.gate.stream_gate import BuiltStream, StreamGate, Turn, predicted
from stagecut.passes.profile.rounds import Rounds
from tests.support.streams import stream_table

TABLE = stream_table(
    "a: one 4, two 3\nb(a): one 4, two 3",
    Device("one", "host", resource="cores"),
    Device("two", "host", resource="cores", cores=2),
    cores=2,
)
ONE, TWO = replicas_of_all(TABLE)


@dataclass
class Fake:
    """Has these periods, one turn after the other; the last one is repeated. An input takes `cpu_s`
    of processor time, or both cores for all of its period."""

    periods_s: Sequence[float]
    cpu_s: float | None = None
    turns: int = 0
    asked_s: list[float] = field(default_factory=list)
    spent_s: float = 0.0

    def run(self, feeds: Feeds, seconds: float) -> StreamRun:
        self.asked_s.append(seconds)
        period_s = self.periods_s[min(self.turns, len(self.periods_s) - 1)]
        self.turns += 1
        self.spent_s += 12 * (2 * period_s if self.cpu_s is None else self.cpu_s)
        return StreamRun(10, 12, 10 * period_s, (2 * period_s,))


def _gate(fakes: Sequence[Fake], rounds: Rounds) -> StreamGate:
    return StreamGate(lambda: 0.0, lambda: sum(each.spent_s for each in fakes), silent, rounds)


def _compared(fakes: Sequence[Fake], rounds: Rounds) -> tuple[Contender, ...]:
    gate = _gate(fakes, rounds)
    pairs: list[StreamProposal] = [ONE, TWO]
    built = [BuiltStream(each, fake) for each, fake in zip(pairs, fakes, strict=True)]
    return gate(built, [gate.turn(each, {}) for each in built], {})


def test_the_median_of_all_turns() -> None:
    fakes = [Fake([1.0, 3.0, 2.0]), Fake([1.2, 1.8])]
    one, two = _compared(fakes, Rounds(least=4, most=4, budget_s=9))
    assert (one.median_s, one.min_s, one.max_s, one.runs) == (2.0, 1.0, 3.0, 5)
    assert one.stage_s == (4.0,)
    assert one.cpu_s == 4.0  # by input, on both cores
    assert one.predicted_s == ONE.account.period_s
    assert two.median_s == 1.8
    assert fakes[0].turns == fakes[1].turns == 5
    chosen = choose((one, two), THROUGHPUT)
    assert [each.chosen for each in chosen] == [False, True] or chosen[0].why


#: What two had in their first turn and then, what an input of it took of two cores; and the turns
#: of both. The other one had 1.0 each time.
BEHIND = {
    "far behind": ([2.1], None, (4, 1)),
    "behind, twice": ([1.3], None, (5, 2)),
    "behind in a turn that other work slowed down": ([1.3, 1.1], None, (5, 5)),
    "near, as other work took the CPUs": ([9.0, 0.9], 1.8, (4, 4)),
    "behind by processor time, and by the clock next": ([9.0, 1.3], 2.6, (5, 2)),
    "far behind by processor time as well": ([9.0, 0.9], 4.2, (4, 1)),
}


@pytest.mark.parametrize(("periods_s", "cpu_s", "runs"), BEHIND.values(), ids=BEHIND.keys())
def test_who_is_far_behind_has_no_further_turn(
    periods_s: Sequence[float], cpu_s: float | None, runs: tuple[int, int]
) -> None:
    fakes = [Fake([1.0]), Fake(periods_s, cpu_s)]
    one, two = _compared(fakes, Rounds(least=3, most=3, budget_s=9))
    assert (one.runs, two.runs) == runs
    is_better = periods_s[-1] < 1.0 and runs[1] > 2
    assert [each.chosen for each in choose((one, two), THROUGHPUT)] == [not is_better, is_better]


def test_who_runs_in_processes_is_held_against_threads() -> None:
    """Which have further turns, however far they were behind in the first."""
    hosted = replace(TWO, id=replace(TWO.id, hosting="processes"), hosting="processes")
    for periods_s, turns in (([0.5], (4, 4)), ([1.2], (4, 4)), ([1.3], (5, 2)), ([9, 1], (8, 8))):
        fakes = [Fake([1.0]), Fake(periods_s)]
        gate = _gate(fakes, Rounds(least=3, most=3, budget_s=9))
        built = [BuiltStream(ONE, fakes[0]), BuiltStream(hosted, fakes[1])]
        threads, processes = gate(built, [gate.turn(each, {}) for each in built], {})
        assert (threads.runs, processes.runs) == turns
        assert threads.cpu_s == 2.0
        assert processes.cpu_s is None  # it is of other processes, too


#: What two had in turns, how many turns each had in all, the first one among them.
CLOSE = {
    "not close": ([1.0], [1.07], 6),
    "close, and told apart at once": ([1.0], [1.02], 8),
    "close, and never told apart": ([1.0, 1.03], [1.02, 1.01], 11),
}


@pytest.mark.parametrize(("one", "two", "turns"), CLOSE.values(), ids=CLOSE.keys())
def test_those_that_are_close_have_a_final(
    one: Sequence[float], two: Sequence[float], turns: int
) -> None:
    fakes = [Fake([*one] * 4), Fake([*two] * 4)]
    _compared(fakes, Rounds(least=2, most=5, budget_s=9))
    assert [fake.turns for fake in fakes] == [turns, turns]


def test_the_very_first_turn_is_for_warming_up() -> None:
    gate = StreamGate(lambda: 0.0, lambda: 0.0, silent, Rounds())
    quick, slow = Fake([0.01, 0.005]), Fake([0.5, 0.4])
    assert gate.first_turn(BuiltStream(ONE, quick), {}).run.period_s == 0.005
    assert gate.first_turn(BuiltStream(ONE, slow), {}).run.period_s == 0.5  # ten inputs: 5 s


@pytest.mark.parametrize("proposal", [ONE, TWO])
def test_by_the_costs_alone(proposal: StreamProposal) -> None:
    found = predicted(proposal)
    assert found.accounting == "predicted"
    assert found.median_s == found.predicted_s == proposal.account.period_s
    assert found.runs == 0


def test_who_was_left_out_by_a_lucky_turn_of_another_takes_part_after_all() -> None:
    gate = StreamGate(lambda: 0.0, lambda: 0.0, silent, Rounds(least=2, most=2))
    lucky, steady = Fake([2.0] * 8), Fake([1.0] * 8)
    built = [BuiltStream(ONE, lucky), BuiltStream(TWO, steady)]
    first = [Turn(Fake([period_s]).run({}, 0.0), None) for period_s in (0.5, 1.5)]
    one, two = gate(built, first, {})
    assert (lucky.turns, steady.turns) == (4, 2)
    assert (one.median_s, two.median_s) == (2.0, 1.0)
