"""The second heat: single devices near the best, in the configurations that they offer."""

from collections.abc import Mapping, Sequence

import pytest

from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.contender import Contender, ContenderId, ContenderKind
from stagecut.compiler.ir.device import Feeds, StagedSchedule, Tensor, silent
from stagecut.compiler.ir.errors import StageFault
from stagecut.compiler.ir.objective import LATENCY
from stagecut.compiler.ir.trace import Event, Trace
from stagecut.passes.gate.alone import Alone, Result
from stagecut.passes.gate.build import Built
from stagecut.passes.gate.contenders import Proposal, proposal_of
from stagecut.passes.gate.fallback import fallback
from stagecut.passes.gate.gate import Gate
from stagecut.passes.profile.rounds import Rounds
from tests.support.tables import cost_table, in_order, placed

TABLE = cost_table("a: cpu 1, gang 1\n b: cpu 1, gang 1")
OFFERED = {"cpu": ("waiting=spin", "pinning=on"), "gang": ("threads=1",)}


class FakeRunner:
    """Takes as long as it is told, and as much processor time for each of `threads`."""

    def __init__(self, wall_s: float, spent: list[float], threads: int = 1) -> None:
        self._wall_s = wall_s
        self._spent = spent
        self._threads = threads

    def run(self, feeds: Feeds) -> tuple[dict[str, Tensor], Trace]:
        self._spent[0] += self._threads * self._wall_s
        event = Event("s", "stage", "measured", 0.0, self._wall_s, self._wall_s, 0, device="cpu")
        return {}, Trace((event,), self._wall_s)


def _proposal(id_: ContenderId, devices: str) -> Proposal:
    schedule = in_order(TABLE, placed(devices))
    return Proposal(id_, schedule, account(TABLE, schedule))


def _single(device: str) -> ContenderId:
    return ContenderId(ContenderKind.SINGLE, device)


PROPOSALS = {
    "optimum": _proposal(ContenderId(ContenderKind.OPTIMUM), "cpu: a; gang: b"),
    "cpu": _proposal(_single("cpu"), "cpu: a, b"),
    "gang": _proposal(_single("gang"), "gang: a, b"),
}


def _run(
    walls_s: Mapping[str, float],
    threads: Mapping[str, int] | None = None,
    checked_s: Mapping[str, float] | None = None,
) -> Result:
    """`walls_s` by name; a configuration without a time fails. `checked_s` is what the run took in
    which each was checked."""
    spent = [0.0]
    rounds = Rounds(3, 3, 0.0, warm_up=0, counted=1)
    gate = Gate(lambda: 0.0, lambda: spent[0], silent, rounds=rounds)

    def built(proposal: Proposal, staged: StagedSchedule) -> Built:
        if proposal.name not in walls_s:
            raise StageFault("no such thing", stage=0, device=proposal.id.device)
        runner = FakeRunner(walls_s[proposal.name], spent, (threads or {}).get(proposal.name, 1))
        return Built(proposal, staged, runner, (), run_s=(checked_s or {}).get(proposal.name))

    first = [
        built(proposal, StagedSchedule(proposal.schedule, (), ()))
        for name, proposal in PROPOSALS.items()
        if name in walls_s
    ]
    return Alone(gate, OFFERED, built)(first, {})


def _times(contenders: Sequence[Contender]) -> dict[str, float]:
    return {contender.name: contender.median_s for contender in contenders}


def _shipped(result: Result) -> str:
    [chosen] = [contender for contender in result.contenders if contender.chosen]
    return chosen.name


ALL = {"optimum": 9.0, "cpu": 6.0, "gang": 5.5}
SPINNING, PINNED, FEWER = "cpu (waiting=spin)", "cpu (pinning=on)", "gang (threads=1)"


def test_near_devices_run_again_with_their_configurations() -> None:
    result = _run({**ALL, SPINNING: 5.0, PINNED: 5.8, FEWER: 7.0})
    assert _shipped(result) == SPINNING
    assert _times(result.contenders) == {**ALL, SPINNING: 5.0, PINNED: 5.8, FEWER: 7.0}
    assert [each.proposal.name for each in result.built] == [*ALL, SPINNING, PINNED, FEWER]
    assert [each.why for each in result.contenders if each.name == "optimum"] == ["80.0% slower"]
    assert [bool(each.trace) for each in result.contenders] == [
        each.chosen for each in result.contenders
    ]


def test_a_device_that_is_far_off_is_not_tried() -> None:
    result = _run({"cpu": 9.0, "gang": 5.5, SPINNING: 1.0, PINNED: 1.0, FEWER: 5.0})
    assert _times(result.contenders) == {"cpu": 9.0, "gang": 5.5, FEWER: 5.0}


@pytest.mark.parametrize(("scale", "tried"), [(1.0, False), (1e-2, True)], ids=["long", "brief"])
def test_of_long_runs_waiting_is_a_small_part(scale: float, tried: bool) -> None:
    """A fifth slower: too much for how threads wait to make up for, where a run takes seconds."""
    walls_s = {"cpu": 6.0, "gang": 5.0, SPINNING: 4.5, PINNED: 5.8, FEWER: 5.0}
    times_s = _times(_run({name: scale * wall_s for name, wall_s in walls_s.items()}).contenders)
    assert (SPINNING in times_s) is tried
    assert FEWER in times_s


def test_a_run_on_other_inputs_puts_nobody_out() -> None:
    """On those on which they were checked, one took a tenth: there was less to be done."""
    walls_s = {"cpu": 6.0, "gang": 5.5, SPINNING: 5.0, PINNED: 5.8, FEWER: 5.9}
    result = _run(walls_s, checked_s={"cpu": 0.6})
    assert _times(result.contenders) == walls_s
    assert _shipped(result) == SPINNING
    assert _times(_run({**walls_s, "cpu": 9.0}, checked_s={"cpu": 0.9}).contenders)[PINNED] == 5.8


def test_a_plan_of_several_stages_is_left_as_it_is() -> None:
    result = _run({"optimum": 2.0, SPINNING: 1.0, PINNED: 1.0, FEWER: 1.0})
    assert _times(result.contenders) == {"optimum": 2.0}


@pytest.mark.parametrize(
    ("times_s", "shipped"),
    {
        "of equals, the device as it usually is": ({"cpu": 5.0, SPINNING: 5.0}, "cpu"),
        "of equal configurations, the one that leaves more to others": (
            {"cpu": 6.0, SPINNING: 5.0, PINNED: 5.0},
            PINNED,
        ),
    }.values(),
)
def test_ties(times_s: Mapping[str, float], shipped: str) -> None:
    result = _run(times_s, threads={SPINNING: 2})
    assert _shipped(result) == shipped


def test_a_configuration_that_fails_is_left_out_and_told() -> None:
    result = _run({"cpu": 6.0, SPINNING: 5.0})
    assert result.dropped == (f"plan {PINNED} is left out: no such thing",)
    assert _shipped(result) == SPINNING


def test_a_configured_contender_has_the_schedule_of_its_device() -> None:
    id_ = ContenderId(ContenderKind.SINGLE, "gang", "threads=1")
    assert proposal_of([*PROPOSALS.values()], id_) is PROPOSALS["gang"]


def test_a_fallback_has_its_devices_as_they_usually_are() -> None:
    """Though one is faster in another configuration: the plan may have it in a third."""
    result = _run({"cpu": 6.0, "gang": 5.5, SPINNING: 5.5, PINNED: 5.6, FEWER: 4.0})
    assert _shipped(result) == FEWER
    found = fallback([*PROPOSALS.values()], result.contenders, TABLE, LATENCY, {"cpu"})
    assert found == PROPOSALS["cpu"]
    spinning = _run({"cpu": 6.0, "gang": 5.5, SPINNING: 5.0, PINNED: 5.6, FEWER: 7.0})
    assert fallback([*PROPOSALS.values()], spinning.contenders, TABLE, LATENCY, {"cpu"}) is None
