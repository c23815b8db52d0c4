"""Which host of a cluster runs what a plan has for one."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from stagecut.compiler.ir.errors import DeviceError
from stagecut.compiler.ir.machine import Host
from stagecut.runtime.hosts.over_hosts import placed
from tests.support.over_hosts import ClusterHere, over_hosts, plan_over_hosts, replicas_over_hosts

CASES: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "each is at its address": (("10.0.0.2", "10.0.0.3"), {"b": "10.0.0.2", "c": "10.0.0.3"}),
    "one that is spare stands in": (("10.0.0.9", "10.0.0.3"), {"b": "10.0.0.2", "c": "10.0.0.3"}),
    "two do": (("10.0.0.8", "10.0.0.9"), {"b": "10.0.0.2", "c": "10.0.0.3"}),
}


def _hosts(addresses: tuple[str, ...]) -> Iterator[Host]:
    yield Host("local", "10.0.0.1")
    for name, address in zip("bcdef", addresses, strict=False):
        yield Host(name, address)


@pytest.mark.parametrize(("addresses", "expected"), CASES.values(), ids=CASES.keys())
def test_hosts_are_found_by_address(addresses: tuple[str, ...], expected: dict[str, str]) -> None:
    cluster = ClusterHere()
    found = placed([*_hosts(addresses)], {"b", "c"}, cluster)  # type: ignore[arg-type]
    assert {name: host.address for name, host in found.items()} == expected


def test_the_driver_s_host_is_never_spare() -> None:
    hosts = [*_hosts(("10.0.0.6", "10.0.0.7", "10.0.0.8", "10.0.0.9"))]
    with pytest.raises(DeviceError, match="host e is not in the cluster"):
        placed(hosts, {"b", "c", "d", "e"}, ClusterHere())  # type: ignore[arg-type]


def test_what_runs_has_the_places_of_its_own_stream() -> None:
    """A fallback has none, whatever stream the plan has for its own schedule."""
    cluster = ClusterHere()
    over = over_hosts(replicas_over_hosts(), cluster, streams=False)
    posts = [post for each in over.executor.segments for of in each._groups for post in of.posts]
    assert (len(posts), len(cluster.members)) == (1, 0)
    assert over.stream.period_s == 0.0
    assert over_hosts(replicas_over_hosts(), cluster).stream.period_s > 0.0


def test_so_many_are_in_flight_that_no_place_waits() -> None:
    over = over_hosts(replicas_over_hosts(), ClusterHere())
    planned = replicas_over_hosts().first.planned.stream
    assert planned is not None
    over._streamed = replace(planned, period_s=1e-2)
    window = 2 + 4 * 3
    assert over.stream == replace(over._streamed, replicas=(window,), in_flight=window + 1)


def test_hosts_have_the_engines_at_hand_that_may_have_to_run_there() -> None:
    cluster = ClusterHere()
    over_hosts(plan_over_hosts(), cluster)
    assert sorted(cluster.warmed) == ["b.cpu.serial=cpu.serial", "c.cpu.serial=cpu.serial"]
