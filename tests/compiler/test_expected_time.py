"""How long a compile would take: by a device whose pace is known, and rounds that are played."""

from dataclasses import replace

import pytest

from stagecut.compiler.context import EFFORTS, Effort
from stagecut.compiler.expected_time import ExpectedTime, expected_time, played_s
from stagecut.compiler.ir.device import Executable, StageProgram
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.rehearsal import Rehearsal, rehearse
from stagecut.passes.partition.restrict import Restrict
from stagecut.passes.profile.rounds import Rounds
from tests.support.slow import PACE, Slow


@pytest.mark.parametrize(
    ("runs_s", "rounds", "expected_s"),
    [
        ([0.5, 1.5], Rounds(least=2, most=9, budget_s=0.0, counted=1), 4.0),  # long: one is a turn
        ([0.5, 1.5], Rounds(least=2, most=9, budget_s=5.0, counted=1), 6.0),  # a third begins at 4
        ([0.5, 1.5], Rounds(least=2, most=9, budget_s=0.0, counted=2), 8.0),  # four runs are asked
        ([0.5, 1.5], Rounds(least=1, most=2, budget_s=99.0), 4.0),
        ([0.001], Rounds(least=1, most=5, budget_s=99.0, counted=3), 0.020),  # one warms up
        ([], Rounds(least=1, most=5, budget_s=99.0), 0.0),
    ],
)
def test_rounds_are_played(runs_s: list[float], rounds: Rounds, expected_s: float) -> None:
    assert played_s(runs_s, rounds, known=True) == pytest.approx(expected_s)


def test_a_first_turn_warms_up_where_nobody_knows_that_it_is_long() -> None:
    once = Rounds(least=1, most=1, budget_s=0.0, counted=1)
    assert played_s([0.5], once, known=False) == 1.0
    assert played_s([0.5], once, known=True) == 0.5


def _rehearsed() -> Rehearsal:
    return rehearse(
        "zoo:tiny-mlp",
        feeds=None,
        devices=["cpu.serial"],
        variants=[{}],
        granularity="cluster",
        restrict=Restrict((), ()),
    )


@pytest.fixture(scope="module")
def rehearsal() -> Rehearsal:
    return _rehearsed()


def test_the_time_of_a_compile_on_one_slow_device(rehearsal: Rehearsal) -> None:
    """In the profile a path with a stage for each node, which runs once before it is timed, and
    three times in the one round that there is time for."""
    pace = replace(PACE, load_s=0.0, operator_s=0.0, byte_s=0.0, flop_s=0.0)
    slow = Slow(pace=pace, loaded=True)
    found = expected_time(replace(rehearsal, engines={"cpu.serial": slow}), "quick", slow.clock)
    [part] = rehearsal.parts
    stages = len(part.part.graph.nodes)
    path_s = stages * pace.start_s
    assert found.read_s == rehearsal.read_s
    assert found.write_s == 0  # by this clock
    assert found.profile_s == pytest.approx(stages * pace.stage_s + 4 * path_s)
    assert found.about_s <= found.most_s


def test_more_effort_takes_longer(rehearsal: Rehearsal) -> None:
    def of(effort: Effort) -> ExpectedTime:
        slow = Slow()
        asked = replace(rehearsal, engines={"cpu.serial": slow})
        return expected_time(asked, effort, slow.clock)

    quick, normal, thorough = map(of, EFFORTS)
    assert quick.about_s < normal.about_s < thorough.about_s
    assert (quick.again_s, quick.most_s) == (0.0, quick.about_s)
    assert 0 < normal.again_s < thorough.again_s


def test_a_device_that_fails_is_not_counted(rehearsal: Rehearsal) -> None:
    class Broken(Slow):
        def prepare(self, stage: StageProgram) -> Executable:
            raise EngineError("is broken", where=stage.name)

    slow = Slow()
    engines = {"cpu.serial": slow, "npu": Broken()}
    found = expected_time(replace(rehearsal, engines=engines), "quick", slow.clock)
    assert found.uncounted == ("npu",)
