"""No stream over hosts has a shorter period than what is proved, by looking at them all."""

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise, permutations, product

import pytest
from hypothesis import given, settings

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import AssignmentError, UnplaceableError
from stagecut.compiler.ir.hosts_stream import HostsStream, Place, hosts_account, most_replicas
from stagecut.compiler.ir.machine import Host, Machine
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.transfers import scheduled
from stagecut.passes.partition.throughput.over_hosts import MOST_HOSTS, ThroughputOverHosts
from tests.support.host_tables import chain, machine, tables


def test_replicas_of_the_whole_where_it_fits() -> None:
    found = ThroughputOverHosts()(chain(machine(), 10e-3, 20e-3))
    assert str(found.stream) == "2 x cpu + 2 x b.cpu + 2 x c.cpu: a, b"
    assert found.account.period_s == pytest.approx(5e-3)
    assert found.certificate.exact


def test_a_stage_on_each_host_where_it_does_not() -> None:
    found = ThroughputOverHosts()(chain(machine(2, capacity_bytes=20, cpus=1), 1e-3, 2e-3, 3e-3))
    assert [stage.nodes for stage in found.stream.schedule.stages] == [("a", "b"), ("c",)]
    assert found.account.period_s == pytest.approx(3e-3)
    assert found.certificate.statement.startswith("optimal: no stream of contiguous stages")


def test_a_slow_link_is_what_sets_the_rate() -> None:
    slow = machine(2, bytes_per_s=1e4)
    found = ThroughputOverHosts()(chain(slow, 30e-3))
    assert str(found.stream) == "2 x cpu: a"  # a value takes 0.1 s


def test_there_has_to_be_room() -> None:
    with pytest.raises(UnplaceableError, match="no room"):
        ThroughputOverHosts()(chain(machine(2, capacity_bytes=5), 1e-3))


def test_of_many_hosts_it_is_said() -> None:
    table = chain(machine(), 1e-3)
    many = Machine(
        table.machine.memories,
        table.machine.devices,
        table.machine.links,
        tuple(Host(f"h{at}") for at in range(MOST_HOSTS + 1)),
        table.machine.resources,
    )
    with pytest.raises(UnplaceableError, match=f"made for {MOST_HOSTS}"):
        ThroughputOverHosts()(chain(many, 1e-3))


def _runs(table: CostTable, order: Sequence[int]) -> bool:
    """Whether each node finds what it reads."""
    seen = {"x"}
    for at in order:
        if not {*table.nodes[at].inputs} <= seen:
            return False
        seen |= {*table.nodes[at].outputs}
    return True


def _ways(table: CostTable) -> Iterator[list[tuple[str, ...]]]:
    """Stretches of every order in which the nodes can run."""
    names = [node.name for node in table.nodes]
    for order in permutations(range(len(names))):
        if not _runs(table, order):
            continue
        for count in range(len(names)):
            for cuts in combinations(range(1, len(names)), count):
                ends = [0, *cuts, len(names)]
                yield [
                    tuple(sorted(names[at] for at in order[start:end]))
                    for start, end in pairwise(ends)
                ]


def _streams(table: CostTable) -> Iterator[HostsStream]:
    devices = [device.name for device in table.machine.devices]
    seen: set[object] = set()
    for nodes in _ways(table):
        if tuple(nodes) in seen:
            continue
        seen.add(tuple(nodes))
        for working in product(range(len(nodes) + 1), repeat=len(devices)):
            places = [
                [device for device, stage in zip(devices, working, strict=True) if stage == at]
                for at in range(len(nodes))
            ]
            if all(places):
                yield _stream(table, nodes, places)


def _stream(table: CostTable, nodes: list[tuple[str, ...]], places: list[list[str]]) -> HostsStream:
    found = []
    for inside, devices in zip(nodes, places, strict=True):
        weights = 10 * len(inside)
        found.append(
            tuple(
                Place(name, max(1, most_replicas(table, table.machine.device(name), weights)))
                for name in devices
            )
        )
    stages = [Stage(each[0].device, names) for each, names in zip(found, nodes, strict=True)]
    return HostsStream(scheduled(table, stages), tuple(found))


def _periods(table: CostTable) -> Iterator[float]:
    for stream in _streams(table):
        try:
            yield hosts_account(table, stream).period_s
        except AssignmentError:
            continue


@given(tables())
@settings(max_examples=40, deadline=None)
def test_no_stream_is_faster_than_is_proved(table: CostTable) -> None:
    best_s = min(_periods(table), default=None)
    if best_s is None:
        with pytest.raises(UnplaceableError):
            ThroughputOverHosts()(table)
        return
    found = ThroughputOverHosts()(table)
    assert found.certificate.lower_bound <= best_s * (1 + 1e-9)
    assert found.account.period_s >= best_s * (1 - 1e-9)
    if found.certificate.exact:
        assert found.account.period_s == pytest.approx(best_s)
