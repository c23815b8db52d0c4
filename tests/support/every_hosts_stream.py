"""Every stream of a small cost table over hosts, and its period: the slow obvious answer."""

from collections.abc import Iterator
from itertools import combinations, pairwise, product

from hypothesis import assume
from hypothesis import strategies as st

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import AssignmentError, ScheduleError
from stagecut.compiler.ir.hosts_stream import (
    HostsAccount,
    HostsStream,
    Place,
    hosts_account,
    most_replicas,
)
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.stream_certificate import Limit
from stagecut.compiler.ir.transfers import scheduled
from tests.support.host_tables import tables, with_parallel
from tests.support.tables import every_order


def every_account(table: CostTable) -> Iterator[HostsAccount]:
    """Of those that fit."""
    for stream in _streams(table):
        try:
            yield hosts_account(table, stream)
        except (AssignmentError, ScheduleError):  # or a host would work for two stages
            continue


def _ways(table: CostTable) -> Iterator[list[tuple[str, ...]]]:
    """Stretches of every order in which the nodes can run."""
    for order in every_order(table):
        for count in range(len(order)):
            for cuts in combinations(range(1, len(order)), count):
                ends = [0, *cuts, len(order)]
                yield [tuple(sorted(order[start:end])) for start, end in pairwise(ends)]


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
        weights = sum(table.node_named[name].weight_bytes for name in inside)
        found.append(
            tuple(
                Place(name, max(1, most_replicas(table, table.machine.device(name), weights)))
                for name in devices
            )
        )
    stages = [Stage(each[0].device, names) for each, names in zip(found, nodes, strict=True)]
    return HostsStream(scheduled(table, stages), tuple(found))


@st.composite
def within_limits(draw: st.DrawFn) -> tuple[CostTable, Limit | None, float]:
    """A table with two devices on each of two hosts, a limit on latency that some stream keeps to,
    or none, and the least period of those that do."""
    table = draw(tables(hosts=2))
    table = with_parallel(table, *(draw(st.integers(1, 20)) * 1e-3 for _ in table.nodes))
    every = [*every_account(table)]
    assume(every)
    slack = draw(st.sampled_from([1.0, 1.3, None]))
    limit = None
    if slack is not None:
        limit = Limit("latency", slack * min(each.latency_s for each in every))
    best_s = min(each.period_s for each in every if not limit or limit.allows(each.latency_s))
    return table, limit, best_s
