"""The gate ships the fastest contender, by one and the same account for all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

import pytest

from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.contender import Contender, ContenderId, ContenderKind
from stagecut.compiler.ir.costs import CostTable, NodeCosts
from stagecut.compiler.ir.device import Feeds, StagedSchedule, Tensor, silent
from stagecut.compiler.ir.machine import Device, Machine, Memory
from stagecut.compiler.ir.objective import ENERGY, LATENCY
from stagecut.compiler.ir.trace import Event, Trace
from stagecut.passes.gate.build import Built
from stagecut.passes.gate.contenders import Proposal
from stagecut.passes.gate.gate import Gate, choose, disputed, predicted
from stagecut.passes.profile.rounds import Rounds
from tests.support.tables import in_order, placed

DEVICES = {
    "cpu": Device("cpu", "host"),
    "all": Device("all", "host"),
    "pim": Device("pim", "pim", "modelled"),
}
MACHINE = Machine((Memory("host"), Memory("pim")), tuple(DEVICES.values()))


def _costs(*run_s: dict[str, float]) -> CostTable:
    nodes = tuple(
        NodeCosts(f"n{index}", "Relu", costs, run_j=dict.fromkeys(costs, 1.0))
        for index, costs in enumerate(run_s)
    )
    return CostTable("table", MACHINE, (), nodes)


COSTS = _costs({"cpu": 1.0, "all": 3.0}, {"cpu": 3.0, "all": 1.0})
MIXED_COSTS = _costs({"cpu": 1.0}, {"pim": 1.0})

OPTIMUM = ContenderId(ContenderKind.OPTIMUM)
FIRST = ContenderId(ContenderKind.FIRST, "all")
ALONE = ContenderId(ContenderKind.SINGLE, "cpu")


def _proposal(id_: ContenderId, devices: str, table: CostTable = COSTS) -> Proposal:
    schedule = in_order(table, placed(devices))
    return Proposal(id_, schedule, account(table, schedule))


#: Two of two stages, and one of one.
PROPOSALS = [
    _proposal(OPTIMUM, "cpu: n0; all: n1"),
    _proposal(FIRST, "all: n0; cpu: n1"),
    _proposal(ALONE, "cpu: n0, n1"),
]


def test_processes_ship_only_where_they_are_better_than_threads() -> None:
    [one] = predicted([_proposal(ALONE, "cpu: n0, n1")])
    threads = replace(one, chosen=False, median_s=1.0, low_s=0.99, high_s=1.01)
    id_ = replace(ALONE, hosting="processes")
    for median_s, ships in ((0.995, threads), (0.9, None)):
        high_s = median_s + 0.01
        processes = replace(threads, id=id_, median_s=median_s, low_s=0.8, high_s=high_s)
        [chosen] = [each for each in choose([threads, processes], LATENCY) if each.chosen]
        assert chosen.id == (ALONE if ships else id_)


@dataclass
class FakeRunner:
    """Takes what it is told, run after run; the last figure is repeated."""

    proposal: Proposal
    walls_s: list[float]
    modelled_s: float = 0.0

    def run(self, feeds: Feeds) -> tuple[dict[str, Tensor], Trace]:
        wall_s = self.walls_s.pop(0) if len(self.walls_s) > 1 else self.walls_s[0]
        stages = self.proposal.schedule.stages
        share_s = wall_s / len(stages)
        events = (self._event(at, stage.device, share_s) for at, stage in enumerate(stages))
        return {}, Trace(tuple(events), wall_s)

    def _event(self, index: int, device: str, share_s: float) -> Event:
        basis = DEVICES[device].basis
        duration_s = self.modelled_s if basis == "modelled" else share_s
        return Event("s", "stage", basis, 0.0, share_s, duration_s, index, device=device)


def _built(proposal: Proposal, walls_s: Sequence[float], modelled_s: float = 0.0) -> Built:
    nothing = StagedSchedule(proposal.schedule, (), ())  # the gate does not look inside
    return Built(proposal, nothing, FakeRunner(proposal, [*walls_s], modelled_s), ())


def _gate(**changed: object) -> Gate:
    rounds = Rounds(3, 3, 0.0, warm_up=0, counted=1)
    clocks = {"clock": lambda: 0.0, "cpu_clock": lambda: 0.0}
    return Gate(**{**clocks, "progress": silent, "rounds": rounds, **changed})  # type: ignore[arg-type]


CASES: dict[str, tuple[dict[str, Sequence[float]], str]] = {
    "the optimum ships when it is the fastest": (
        {"optimum": [2], "all first": [3], "cpu": [4]},
        "optimum",
    ),
    "a single device ships when it is the fastest after all": (
        {"optimum": [4], "all first": [3], "cpu": [2]},
        "cpu",
    ),
    "one slow run does not decide": (
        {"optimum": [2, 90, 2], "all first": [2.1], "cpu": [99]},
        "optimum",
    ),
    "of equals the one with the fewest stages ships": (
        {"optimum": [3], "all first": [3], "cpu": [3]},
        "cpu",
    ),
}


@pytest.mark.parametrize(("walls_s", "shipped"), CASES.values(), ids=CASES.keys())
def test_the_fastest_ships(walls_s: dict[str, Sequence[float]], shipped: str) -> None:
    found = _gate()([_built(each, walls_s[each.name]) for each in PROPOSALS], {})
    assert [contender.name for contender in found] == ["optimum", "all first", "cpu"]
    assert [contender.name for contender in found if contender.chosen] == [shipped]
    assert all(contender.accounting == "measured" for contender in found)
    assert all(contender.runs == 3 for contender in found if contender.chosen)
    assert all(bool(contender.trace) == contender.chosen for contender in found)
    assert all(contender.why for contender in found)


def test_what_was_predicted_is_kept_beside_what_was_observed() -> None:
    found = _gate()([_built(each, [5]) for each in PROPOSALS], {})
    assert [contender.predicted_s for contender in found] == [2.0, 6.0, 4.0]
    assert [contender.median_s for contender in found] == [5.0, 5.0, 5.0]


def test_warm_ups_do_not_count() -> None:
    rounds = Rounds(3, 3, 0.0, warm_up=1, counted=1)
    [found] = _gate(rounds=rounds)([_built(PROPOSALS[0], [9, 2, 9, 2, 9, 2])], {})
    assert (found.median_s, found.max_s, found.runs) == (2.0, 2.0, 3)


def test_modelled_parts_count_at_their_modelled_time() -> None:
    mixed = _proposal(OPTIMUM, "cpu: n0; pim: n1", MIXED_COSTS)
    [contender] = _gate()([_built(mixed, [8.0], modelled_s=0.5)], {})
    assert contender.median_s == 4.5  # half of the wall was simulating the pim
    assert contender.basis == "modelled"
    assert contender.stage_s == (4.0, 0.5)


def _seconds(*amounts: float) -> Iterator[float]:
    yield from amounts


def test_the_processor_time_of_a_run_is_kept() -> None:
    """The clock is read before and after each run: 1, 2 and 4 s of all threads."""
    clock = iter(_seconds(0, 1, 1, 3, 3, 7))
    [found] = _gate(cpu_clock=lambda: next(clock))([_built(PROPOSALS[0], [3])], {})
    assert found.cpu_s == 2.0


def test_it_ends_as_soon_as_the_fastest_is_apart_from_the_others() -> None:
    rounds = Rounds(3, 50, 1e9, warm_up=0, counted=1)
    clear = [_built(PROPOSALS[0], [1.0]), _built(PROPOSALS[1], [1.05])]
    assert [contender.runs for contender in _gate(rounds=rounds)(clear, {})] == [3, 3]
    close = [_built(PROPOSALS[0], [1.9, 2.1] * 50), _built(PROPOSALS[1], [2.0])]
    assert {contender.runs for contender in _gate(rounds=rounds)(close, {})} == {50}


def test_who_is_clearly_slower_is_not_run_any_further() -> None:
    rounds = Rounds(3, 50, 1e9, warm_up=0, counted=1)
    found = _gate(rounds=rounds)([_built(PROPOSALS[0], [1.0]), _built(PROPOSALS[1], [9.0])], {})
    assert [contender.runs for contender in found] == [3, 1]
    assert [contender.chosen for contender in found] == [True, False]


def test_one_slow_run_does_not_put_anybody_out() -> None:
    """The run in which it was checked is another one to go by."""
    rounds = Rounds(2, 5, 1e9, warm_up=0, counted=1)
    blip = replace(_built(PROPOSALS[1], [9.0, 0.8]), run_s=0.8)
    found = _gate(rounds=rounds)([_built(PROPOSALS[0], [1.0]), blip], {})
    assert [contender.runs for contender in found] == [5, 5]
    assert [contender.chosen for contender in found] == [False, True]


def test_long_runs_count_from_the_first() -> None:
    """One that took as long when it was checked has no run that does not count."""
    rounds = Rounds(2, 2, 0.0, warm_up=1, counted=3)
    long = replace(_built(PROPOSALS[0], [2.0]), run_s=2.0)
    [found] = _gate(rounds=rounds, clock=count(step=2).__next__)([long], {})
    assert found.runs == 2


def test_a_lone_contender_is_run_for_its_own_figure() -> None:
    rounds = Rounds(3, 50, 1e9, warm_up=0, counted=1)
    [found] = _gate(rounds=rounds)([_built(PROPOSALS[0], [1])], {})
    assert (found.runs, found.chosen) == (3, True)


def _said(found: Sequence[Contender]) -> list[tuple[str, float, str]]:
    return [(each.name, each.median_s, each.accounting) for each in found]


def test_a_table_that_was_handed_in_decides_by_itself() -> None:
    found = predicted(PROPOSALS, LATENCY)
    assert _said(found) == [
        ("optimum", 2.0, "predicted"),
        ("all first", 6.0, "predicted"),
        ("cpu", 4.0, "predicted"),
    ]
    assert [each.chosen for each in found] == [True, False, False]
    assert [each.runs for each in found] == [0, 0, 0]


def test_energy_decides_where_it_is_asked_for() -> None:
    """All take as many joules: the fewest stages ship, though they take longer."""
    found = predicted(PROPOSALS, ENERGY)
    assert [each.chosen for each in found] == [False, False, True]
    assert [each.energy_j for each in found] == [2.0, 2.0, 2.0]


def test_noise_is_told_of_the_two_between_which_it_was_decided() -> None:
    def contender(id_: ContenderId, median_s: float, noise: str) -> Contender:
        [found] = _gate()([_built(_proposal(id_, "cpu: n0, n1"), [median_s])], {})
        return replace(found, noise=noise)

    first, second = contender(ALONE, 2.0, "noisy"), contender(OPTIMUM, 3.0, "")
    third = contender(FIRST, 4.0, "bimodal")
    assert disputed([third, first, second]) == "cpu is noisy"
    brief = replace(first, median_s=1e-4)
    assert disputed([third, brief, second]) == ""
    assert disputed([first]) == "cpu is noisy"
