"""Each contender is built once and run on a few inputs; what fails or is wrong is left out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import TypeAlias

import numpy as np
import pytest

from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.contender import ContenderId, ContenderKind
from stagecut.compiler.ir.device import Feeds, StagedSchedule, Tensor, silent
from stagecut.compiler.ir.errors import (
    EngineError,
    RangeFault,
    StageFault,
    ToleranceError,
    WrongAnswerError,
)
from stagecut.compiler.ir.metric import Metric
from stagecut.compiler.ir.trace import Trace
from stagecut.passes.gate.accuracy import Limit
from stagecut.passes.gate.build import Build, Checked, right
from stagecut.passes.gate.contenders import Proposal
from stagecut.passes.gate.reference import Reference
from stagecut.passes.precision.held_out import HeldOut
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


#: What the reference says.
Answers: TypeAlias = Callable[[Feeds], Mapping[str, Tensor]]

SAMPLES = {"x": np.linspace(0, 1, 20, dtype=np.float32)}


@dataclass(frozen=True)
class Fake:
    """A runner that is a function."""

    run: Callable[[Feeds], tuple[dict[str, Tensor], Trace]]


class FakeRunner:
    """Hands back 1, and on some devices a little more."""

    def __init__(self, device: str, runs: list[str]) -> None:
        self._device = device
        self._runs = runs

    def run(self, feeds: Feeds) -> tuple[dict[str, Tensor], Trace]:
        self._runs.append(self._device)
        return {"y": np.array([1.0 + OFF[self._device]])}, Trace((), 0.0)


def _build(
    proposals: Sequence[Proposal],
    answers: Answers | None,
    limit: Limit | None = None,
    held_out: Sequence[Feeds] = (),
    metric: Metric | None = None,
) -> tuple[Checked, list[str]]:
    runs: list[str] = []

    def prepare(staged: StagedSchedule, outputs: Sequence[str]) -> FakeRunner:
        device = staged.schedule.stages[0].device
        if device not in OFF:
            raise StageFault("no memory", stage=0, device=device)
        assert outputs == ["y"]
        return FakeRunner(device, runs)

    def known(feeds: Feeds) -> Mapping[str, Tensor]:
        if answers is None:
            raise EngineError("it does not run on these samples")
        return answers(feeds)

    build = Build(
        lambda each: StagedSchedule(each.schedule, (), ()),
        prepare,
        Reference(known, SAMPLES),
        lambda _: limit,
        silent,
        held_out,
        metric,
    )
    return build(proposals, SAMPLES, ["y"]), runs


def _ones(feeds: Feeds) -> Mapping[str, Tensor]:
    return {"y": np.array([1.0])}


def test_each_is_built_once_and_held_against_the_reference() -> None:
    """On the samples, zeros, and numbers beyond the range; the reference needs none of it."""
    checked, runs = _build([CPU, PIM], _ones, Limit(1.0))
    assert runs == ["cpu"] * 6 + ["pim"] * 6
    assert [each.proposal for each in checked.built] == [CPU, PIM]
    assert [each.accuracy[0].relative for each in checked.built] == [0.0, 0.25]
    assert [each.worst for each in checked.built] == [0.0, 0.25]
    assert checked.dropped == ()
    assert _build([CPU], _ones)[1] == ["cpu"]


def test_what_an_engine_cannot_run_is_left_out_and_told() -> None:
    checked, _ = _build([CPU, GANG, PIM], _ones)
    assert [each.proposal.name for each in checked.built] == ["cpu", "pim"]
    assert checked.dropped == ("plan gang is left out: stage 0 on gang: no memory",)


def test_when_no_plan_runs_the_first_fault_is_the_error() -> None:
    with pytest.raises(StageFault, match="no memory") as fault:
        _build([GANG], _ones)
    assert fault.value.device == "gang"


def test_without_a_reference_nothing_is_said_of_the_outputs() -> None:
    checked, runs = _build([CPU, PIM], None, Limit(1e-3))
    assert [each.accuracy for each in checked.built] == [(), ()]
    assert runs == ["cpu", "pim"]


def test_what_is_too_far_off_is_left_out_and_told() -> None:
    checked, _ = _build([CPU, PIM], _ones, Limit(0.1))
    assert [each.proposal for each in checked.built] == [CPU]
    [wrong] = checked.wrong
    assert wrong.flaw.relative == 0.25
    told = "plan pim is left out: on the sample inputs, y is off by 25 % of its largest number"
    assert checked.dropped == (told,)
    assert right(checked, None) is checked


def test_what_is_right_on_the_samples_only_is_left_out() -> None:
    """The model hands back how far its input is beyond 1, and the samples are between 0 and 1."""

    def beyond(feeds: Feeds) -> Mapping[str, Tensor]:
        far = np.maximum(np.abs(feeds["x"]) - 1, 0).max(keepdims=True)
        return {"y": 1 + far.astype(np.float64)}

    [wrong] = _build([CPU], beyond, Limit(0.1))[0].wrong
    assert wrong.inputs.name == "extremes"
    assert _build([CPU], beyond, Limit(0.1, stretched=False))[0].built


def test_numbers_that_an_engine_cannot_hold_are_for_the_fallback() -> None:
    """Such a run stands in for another, and is no reason to leave the plan out."""
    runner = FakeRunner("cpu", [])
    faults = chain([False], repeat(True))

    def run(feeds: Feeds) -> tuple[dict[str, Tensor], Trace]:
        if next(faults):
            raise RangeFault("too large", stage=0, device="cpu")
        return runner.run(feeds)

    nothing = StagedSchedule(CPU.schedule, (), ())
    flawless = Reference(_ones, SAMPLES)
    build = Build(lambda _: nothing, lambda *_: Fake(run), flawless, lambda _: Limit(0.1), silent)
    assert build([CPU], SAMPLES, ["y"]).built


def test_where_nothing_is_right_the_error_says_what_is_wrong() -> None:
    checked, _ = _build([PIM], _ones, Limit(0.1))
    with pytest.raises(ToleranceError, match=r"off by 0\.25") as beyond:
        right(checked, 0.1)
    assert (beyond.value.where, bool(beyond.value.fix)) == ("tolerance 0.1", True)
    checked, _ = _build([PIM, GANG], _ones, Limit(0.1))
    with pytest.raises(WrongAnswerError, match="off by 25 %") as error:
        right(checked, None)
    assert (error.value.where, bool(error.value.fix)) == ("pim", True)


LOWER = Limit(0.3, asked=True, lower=True)
OTHERS = [{"x": np.linspace(1.5, 2, 20, dtype=np.float32)}] * 2


def test_plans_of_lower_precision_are_held_against_held_out_samples() -> None:
    checked, _ = _build([CPU, PIM], _ones, LOWER, OTHERS)
    assert [each.held for each in checked.built] == [HeldOut(0.0), HeldOut(0.25)]
    assert all(each.inputs[-1] == "held-out samples" for each in checked.built)


def test_what_is_too_far_off_on_these_alone_is_left_out() -> None:
    def answers(feeds: Feeds) -> Mapping[str, Tensor]:
        return {"y": np.array([0.5 if feeds["x"][0] == 1.5 else 1.25])}

    checked, _ = _build([PIM], answers, LOWER, OTHERS)
    [wrong] = checked.wrong
    assert wrong.held == HeldOut(1.5)
    assert wrong.flaw.relative == 1.5
    assert str(wrong).endswith("on held-out samples, outputs are off by 150 % (rms)")


def test_with_a_metric_of_the_users_own_that_decides() -> None:
    metric = Metric("total", lambda outputs, _: -outputs["y"].sum(), {}, tuple(OTHERS))
    checked, _ = _build([CPU, PIM], _ones, replace(LOWER, relative=9.0, loss=0.4), OTHERS, metric)
    assert [each.held for each in checked.built] == [HeldOut(0.0, -2.0, -2.0)]
    [wrong] = checked.wrong
    assert wrong.held == HeldOut(0.25, -2.5, -2.0)
    assert str(wrong).endswith("on held-out samples, total is -2.5, and -2 in full precision")
    loose = replace(LOWER, relative=9.0, loss=0.5)
    assert not _build([CPU, PIM], _ones, loose, OTHERS, metric)[0].wrong
    with pytest.raises(ToleranceError, match=r"the closest plan loses 0\.5 of total"):
        right(replace(checked, built=()), 0.4)


@pytest.mark.parametrize("limit", [Limit(0.3, lower=True), Limit(0.3, asked=True)])
def test_others_are_not(limit: Limit) -> None:
    """Where nobody asked for a limit, or all compute in the model's own precision."""
    checked, _ = _build([PIM], _ones, limit, OTHERS)
    assert checked.built[0].held is None
    assert "held-out samples" not in checked.built[0].inputs
