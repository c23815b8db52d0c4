"""Streams take turns, and their periods become contenders."""

from collections.abc import Iterator, Sequence
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
    """Has these periods, one turn after the other; the last one is repeated."""

    periods_s: Sequence[float]
    turns: int = 0
    asked_s: list[float] = field(default_factory=list)

    def run(self, feeds: Feeds, seconds: float) -> StreamRun:
        self.asked_s.append(seconds)
        period_s = self.periods_s[min(self.turns, len(self.periods_s) - 1)]
        self.turns += 1
        return StreamRun(10, 12, 10 * period_s, (2 * period_s,))


def _clock() -> Iterator[float]:
    return iter([0.5 * number for number in range(10_000)])


def _compared(fakes: Sequence[Fake], rounds: Rounds) -> tuple[Contender, ...]:
    cpu = _clock()
    gate = StreamGate(lambda: 0.0, lambda: next(cpu), silent, rounds)
    pairs: list[StreamProposal] = [ONE, TWO]
    built = [BuiltStream(each, fake) for each, fake in zip(pairs, fakes, strict=True)]
    return gate(built, [gate.turn(each, {}) for each in built], {})


def test_the_median_of_all_turns() -> None:
    fakes = [Fake([1.0, 3.0, 2.0]), Fake([1.2, 1.8])]
    one, two = _compared(fakes, Rounds(least=4, most=4, budget_s=9))
    assert (one.median_s, one.min_s, one.max_s, one.runs) == (2.0, 1.0, 3.0, 5)
    assert one.stage_s == (4.0,)
    assert one.cpu_s == 0.5 / 12  # by input
    assert one.predicted_s == ONE.account.period_s
    assert two.median_s == 1.8
    assert fakes[0].turns == fakes[1].turns == 5
    chosen = choose((one, two), THROUGHPUT)
    assert [each.chosen for each in chosen] == [False, True] or chosen[0].why


def test_who_is_far_behind_has_no_further_turn() -> None:
    fakes = [Fake([1.0]), Fake([1.3])]
    one, two = _compared(fakes, Rounds(least=3, most=3, budget_s=9))
    assert (one.runs, two.runs) == (4, 1)
    assert [each.chosen for each in choose((one, two), THROUGHPUT)] == [True, False]


def test_who_runs_in_processes_is_held_against_threads() -> None:
    """Which have further turns, however far they were behind in the first."""
    hosted = replace(TWO, id=replace(TWO.id, hosting="processes"), hosting="processes")
    gate = StreamGate(lambda: 0.0, lambda: 0.0, silent, Rounds(least=3, most=3, budget_s=9))
    for period_s, turns in ((0.5, 4), (1.2, 4), (1.3, 1)):
        built = [BuiltStream(ONE, Fake([1.0])), BuiltStream(hosted, Fake([period_s]))]
        threads, processes = gate(built, [gate.turn(each, {}) for each in built], {})
        assert (threads.runs, processes.runs) == (4, turns)
        assert threads.cpu_s == 0.0
        assert processes.cpu_s is None  # it is of other processes, too


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
    first = [Turn(Fake([period_s]).run({}, 0.0), 0.0) for period_s in (0.5, 1.5)]
    one, two = gate(built, first, {})
    assert (lucky.turns, steady.turns) == (4, 2)
    assert (one.median_s, two.median_s) == (2.0, 1.0)
