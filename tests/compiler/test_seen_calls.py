"""What stages took in streams, as far as it was seen."""

from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.seen_calls import SeenCalls, can_run
from stagecut.passes.partition.throughput.throughput import Throughput
from stagecut.passes.profile.loaded import loaded
from tests.support.tables import US, cost_table

TABLE = cost_table("a : cpu 4, gang 1\nb(a): cpu 4")
A, B, BOTH = (Stage("cpu", tuple(nodes)) for nodes in ("a", "b", "ab"))


def _turn(*calls_us: float) -> tuple[float, ...]:
    return tuple(each * US for each in calls_us)


def test_the_median_of_turns_counts() -> None:
    seen = SeenCalls()
    seen.note([A, B], [_turn(1, 9), _turn(2, 7), _turn(6, 8)])
    assert [(each.stage, round(each.call_s / US)) for each in seen.of(TABLE)] == [(A, 2), (B, 8)]
    assert len(seen) == 2


def test_what_was_seen_last_comes_last() -> None:
    seen = SeenCalls()
    seen.note([A, B], [_turn(1, 1)])
    seen.note([BOTH], [_turn(6)])
    seen.note([A], [_turn(2)])
    assert [each.stage for each in seen.of(TABLE)] == [B, BOTH, A]


def test_stages_that_can_no_longer_be_chosen_are_left_out() -> None:
    gang = Stage("gang", ("b",))
    seen = SeenCalls()
    seen.note([gang], [_turn(1)])
    assert [*seen.of(TABLE)] == []
    assert not can_run(TABLE, gang)
    assert can_run(TABLE, Stage("gang", ("a",)))


def test_costs_hold_for_a_stream_whose_stages_cost_what_they_took() -> None:
    seen = SeenCalls()
    assert not seen.hold_for(Throughput()(TABLE))
    for stages in ([BOTH], [A, B], [Stage("gang", ("a",)), B]):
        seen.note(stages, [_turn(*(3 * len(each.nodes) for each in stages))])
    solution = Throughput()(loaded(TABLE, seen.of(TABLE)))
    assert seen.hold_for(solution)
    seen.note(solution.stream.schedule.stages, [_turn(*(99 for _ in solution.stream.replicas))])
    assert not seen.hold_for(solution)
