"""A schedule over hosts gives what it gives on one."""

from dataclasses import replace

import numpy as np
import pytest

from stagecut import backends
from stagecut.compiler.ir.errors import StageFault
from stagecut.compiler.ir.schedule import Run
from stagecut.runtime.executor import Executor
from stagecut.runtime.hosts.member import HostFault
from tests.support.over_hosts import WIDTH, ClusterHere, Lost, over_hosts, plan_over_hosts

X = {"y0": np.linspace(-1, 1, WIDTH, dtype=np.float32).reshape(1, -1)}


def _expected() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """The same stages, all in this process."""
    staged = plan_over_hosts().first.staged()
    stages = tuple(replace(each, device="cpu.serial") for each in staged.schedule.stages)
    runs = tuple(step for step in staged.schedule.steps if isinstance(step, Run))
    here = replace(
        staged,
        schedule=replace(staged.schedule, stages=stages, steps=runs),
        modelled_s=(None,) * len(runs),
    )
    executor = Executor(here, ["y6"], backends.create_all(["cpu.serial"]))
    return executor.outputs(X)["y6"]


def test_outputs_are_those_of_one_host_whichever_way_they_are_asked_for() -> None:
    executor = over_hosts(plan_over_hosts(), ClusterHere()).executor
    passage = executor.by_stage(X)
    while not passage.advance():
        pass
    outputs, _ = executor.run(X)
    for found in (executor.outputs(X), passage.outputs(), outputs):
        np.testing.assert_array_equal(found["y6"], _expected())


def test_a_trace_has_an_event_for_each_step_in_its_order() -> None:
    executor = over_hosts(plan_over_hosts(), ClusterHere()).executor
    schedule = plan_over_hosts().first.planned.schedule
    _, trace = executor.run(X)
    assert [event.kind == "stage" for event in trace.events] == [
        isinstance(step, Run) for step in schedule.steps
    ]
    assert sum(event.wall_s for event in trace.events) <= trace.wall_s
    assert {event.basis for event in trace.events} == {"measured"}


def test_what_a_lost_host_has_not_answered_is_asked_again() -> None:
    left = [Lost()]

    def fails() -> None:
        if left:
            raise left.pop()

    executor = over_hosts(plan_over_hosts(), ClusterHere(fails)).executor
    np.testing.assert_array_equal(executor.outputs(X)["y6"], _expected())
    assert not left


def test_what_goes_wrong_on_a_host_is_a_fault_of_its_stages() -> None:
    cluster = ClusterHere()
    executor = over_hosts(plan_over_hosts(), cluster).executor

    def get(refs: object) -> None:
        raise HostFault("no room", "the disk", "make some", False)

    cluster.get = get  # type: ignore[assignment,method-assign]
    with pytest.raises(StageFault, match="no room") as caught:
        executor.outputs(X)
    assert caught.value.fix == "make some"


def test_values_that_are_large_let_fewer_be_in_flight() -> None:
    executor = over_hosts(plan_over_hosts(), ClusterHere()).executor
    [chain] = [each for each in executor.segments if each.window > 1]
    assert chain.window == 3 * len([*chain.stages])
