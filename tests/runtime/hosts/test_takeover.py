"""What ran on a lost host goes to one that has room."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stagecut.compiler.ir.errors import EngineError
from stagecut.runtime.hosts.cluster import ClusterHost
from stagecut.runtime.hosts.takeover import Takeover
from tests.support.over_hosts import (
    WIDTH,
    ClusterHere,
    Lost,
    over_hosts,
    plan_over_hosts,
)

X = {"y0": np.linspace(-1, 1, WIDTH, dtype=np.float32).reshape(1, -1)}


class _Loses(ClusterHere):
    """Its next call is lost, and so is the host."""

    def __init__(self) -> None:
        self.lost: list[str] = []
        super().__init__(self._fail)

    def _fail(self) -> None:
        if self.lost:
            self.dead.add(self.lost.pop())
            raise Lost


def test_a_host_that_is_to_spare_takes_over() -> None:
    cluster = _Loses()
    over = over_hosts(plan_over_hosts(), cluster)
    right = over.executor.outputs(X)["y6"]
    cluster.lost = ["node-2"]
    np.testing.assert_array_equal(over.executor.outputs(X)["y6"], right)
    addresses = [host.address for host, _ in cluster.members]
    assert (sorted(addresses[:2]), addresses[2:]) == (["10.0.0.2", "10.0.0.3"], ["10.0.0.4"])


def test_a_process_alone_is_not_moved() -> None:
    cluster = _Loses()
    over = over_hosts(plan_over_hosts(), cluster)
    cluster.lost = ["node-9"]  # none of them
    over.executor.outputs(X)
    assert len(cluster.members) == 2


def test_without_room_anywhere_it_is_said() -> None:
    cluster = _Loses()
    cluster.hosts = cluster.hosts[:3]  # the others hold two layers, which is all that they may
    over = over_hosts(plan_over_hosts(), cluster)
    cluster.lost = ["node-2"]
    with pytest.raises(EngineError, match="no other has room") as caught:
        over.executor.outputs(X)
    assert caught.value.where == "host 10.0.0.2"


def test_it_is_the_one_that_was_lost_last_which_is_named() -> None:
    cluster = _Loses()
    over = over_hosts(plan_over_hosts(), cluster)
    cluster.lost = ["node-2"]
    over.executor.outputs(X)  # 10.0.0.4 takes over
    cluster.lost = ["node-4"]
    with pytest.raises(EngineError, match="no other has room") as caught:
        over.executor.outputs(X)
    assert caught.value.where == "host 10.0.0.4"


@pytest.mark.parametrize(
    ("capacity_bytes", "has_room"), [(0, False), (149, False), (150, True), (None, True)]
)
def test_a_host_has_the_room_that_the_plan_says(capacity_bytes: int | None, has_room: bool) -> None:
    """Half of its memory would be enough."""
    machine = plan_over_hosts().first.planned.machine
    memories = tuple(replace(each, capacity_bytes=capacity_bytes) for each in machine.memories)
    cluster: Any = ClusterHere()
    takeover = Takeover(cluster, replace(machine, memories=memories), "a source", [])
    assert takeover._has_room(cluster.hosts[1], {"node-2": 100}, 50) is has_room


@pytest.mark.parametrize(("wanted", "has_room"), [(2**29 - 100, True), (2**29 - 99, False)])
def test_one_that_the_plan_does_not_name_has_half_of_its_memory(
    wanted: int, has_room: bool
) -> None:
    cluster: Any = ClusterHere()
    takeover = Takeover(cluster, plan_over_hosts().first.planned.machine, "a source", [])
    assert takeover._has_room(cluster.hosts[3], {"node-4": 100}, wanted) is has_room


def test_for_all_places_it_is_asked_once_who_is_there() -> None:
    asked = []

    class _Counts(_Loses):
        def alive(self) -> tuple[ClusterHost, ...]:
            asked.append(1)
            return super().alive()

    cluster = _Counts()
    over = over_hosts(plan_over_hosts(), cluster)
    cluster.lost = ["node-2"]
    over.executor.outputs(X)
    assert len(asked) == 1
