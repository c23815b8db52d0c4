"""Each contender is built once and run once; what fails or is too far off is left out."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.device import Feeds, StagedSchedule, Tensor, silent
from stagecut.compiler.ir.errors import EngineError, StageFault, ToleranceError
from stagecut.compiler.ir.plan import ContenderId, ContenderKind
from stagecut.compiler.ir.trace import Trace
from stagecut.passes.gate.build import Build, Built, within
from stagecut.passes.gate.contenders import Proposal
from tests.support.tables import cost_table, in_order, placed

TABLE = cost_table("a: cpu 1, gang 1, pim 1\n b: cpu 1, gang 1, pim 1")


def _proposal(devices: str) -> Proposal:
    schedule = in_order(TABLE, placed(devices))
    name = devices.partition(":")[0]
    id_ = ContenderId(ContenderKind.SINGLE, name)
    return Proposal(id_, schedule, account(TABLE, schedule))


CPU, GANG, PIM = map(_proposal, ("cpu: a, b", "gang: a, b", "pim: a, b"))

#: How far each device is off; one that is not here cannot run.
OFF = {"cpu": 0.0, "pim": 0.25}


class FakeRunner:
    """Hands back 1, and on some devices a little more."""

    def __init__(self, device: str, runs: list[str]) -> None:
        self._device = device
        self._runs = runs

    def run(self, feeds: Feeds) -> tuple[dict[str, Tensor], Trace]:
        self._runs.append(self._device)
        return {"y": np.array([1.0 + OFF[self._device]])}, Trace((), 0.0)


def _build(
    proposals: Sequence[Proposal], reference: Mapping[str, Tensor] | None
) -> tuple[tuple[Built, ...], tuple[str, ...], list[str]]:
    runs: list[str] = []

    def prepare(staged: StagedSchedule, outputs: Sequence[str]) -> FakeRunner:
        device = staged.schedule.stages[0].device
        if device not in OFF:
            raise StageFault("no memory", stage=0, device=device)
        assert outputs == ["y"]
        return FakeRunner(device, runs)

    def known() -> Mapping[str, Tensor]:
        if reference is None:
            raise EngineError("it does not run on these samples")
        return reference

    build = Build(lambda each: StagedSchedule(each.schedule, (), ()), prepare, known, silent)
    built, dropped = build(proposals, {}, ["y"])
    return built, dropped, runs


REFERENCE = {"y": np.array([1.0])}


def test_each_is_built_and_run_once_and_held_against_the_reference() -> None:
    built, dropped, runs = _build([CPU, PIM], REFERENCE)
    assert runs == ["cpu", "pim"]
    assert [each.proposal for each in built] == [CPU, PIM]
    assert [each.accuracy[0].relative for each in built] == [0.0, 0.25]
    assert dropped == ()


def test_what_an_engine_cannot_run_is_left_out_and_told() -> None:
    built, dropped, _ = _build([CPU, GANG, PIM], REFERENCE)
    assert [each.proposal.name for each in built] == ["cpu", "pim"]
    assert dropped == ("plan gang is left out: stage 0 on gang: no memory",)


def test_when_no_plan_runs_the_first_fault_is_the_error() -> None:
    with pytest.raises(StageFault, match="no memory") as fault:
        _build([GANG], REFERENCE)
    assert fault.value.device == "gang"


def test_without_a_reference_nothing_is_said_of_the_outputs() -> None:
    built, _, _ = _build([CPU, PIM], None)
    assert [each.accuracy for each in built] == [(), ()]


def test_what_is_too_far_off_is_left_out() -> None:
    built, _, _ = _build([CPU, PIM], REFERENCE)
    assert [each.proposal for each in within(built, 0.1)] == [CPU]
    assert within(built, 0.25) == built
    with pytest.raises(ToleranceError, match=r"off by 0\.25") as error:
        within(built[1:], 0.1)
    assert (error.value.where, bool(error.value.fix)) == ("tolerance 0.1", True)
