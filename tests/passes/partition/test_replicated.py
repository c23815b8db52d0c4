"""No nodes on several hosts cost less than the bound, by looking at every node on every set of
hosts, in every order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product
from math import inf

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stagecut.compiler.ir.costs import CostTable, Endpoint, NodeCosts, ValueCosts
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.machine import Route
from stagecut.passes.partition.replicated import Replicated
from tests.support.host_tables import chain, machine, tables

ANY = Replicated(frozenset(), {}, {})

#: Where each run of a node is: the devices, by node.
_Runs = Mapping[str, tuple[str, ...]]


def _mask(*, weight_bytes: int = 10) -> CostTable:
    """x -> mask -> m; x -> a -> b, both of which read m, and of which a host holds one."""
    of = machine(2, capacity_bytes=15, bytes_per_s=1e6)
    everywhere = {device.name: 1e-3 for device in of.devices}
    nodes = (
        NodeCosts("mask", "Op", dict.fromkeys(everywhere, 0.0001), ("x",), ("m",)),
        NodeCosts("a", "Op", everywhere, ("x", "m"), ("y",), weight_bytes),
        NodeCosts("b", "Op", everywhere, ("y", "m"), ("z",), weight_bytes),
    )
    sizes = {"x": 100, "m": 5000, "y": 100, "z": 100}
    return CostTable(
        "masked",
        of,
        tuple(ValueCosts(name, size) for name, size in sizes.items()),
        nodes,
        (Endpoint("x", "host"),),
        (Endpoint("z", "host"),),
    )


def test_a_mask_runs_on_both_sides() -> None:
    """Sent it takes 5.1 ms; again 0.1 ms. x goes there and y or z comes back, 0.2 ms each."""
    found = ANY(_mask())
    assert found.memories["mask"] == ("host", "b")
    assert sorted(len(found.memories[name]) for name in ("a", "b")) == [1, 1]
    assert found.bound_s == pytest.approx(2e-3 + 2 * 1e-4 + 2 * 2e-4, rel=1e-5)


def test_unless_it_gives_another_result_each_time() -> None:
    found = Replicated({"mask"}, {}, {})(_mask())
    assert len(found.memories["mask"]) == 1
    assert found.bound_s == pytest.approx(2e-3 + 1e-4 + 5.1e-3 + 2 * 2e-4, rel=1e-5)


def test_or_is_sent_in_fewer_bytes() -> None:
    coded = {"m": {Route("host", "b"): 1e-5, Route("b", "host"): 1e-5}}
    found = Replicated(frozenset(), coded, {})(_mask())
    assert len(found.memories["mask"]) == 1
    assert found.bound_s == pytest.approx(2e-3 + 1e-4 + 1e-5 + 2 * 2e-4, rel=1e-5)


def test_nodes_stay_at_home() -> None:
    found = Replicated(frozenset(), {}, {"mask": "b", "a": "b", "b": "host"})(_mask())
    assert (found.memories["a"], found.memories["b"]) == (("b",), ("host",))
    assert found.memories["mask"] == ("host", "b")


def test_there_has_to_be_room() -> None:
    with pytest.raises(UnplaceableError, match="several hosts"):
        ANY(_mask(weight_bytes=16))


def test_starting_a_stage_is_in_it() -> None:
    table = chain(machine(1), 1e-3)
    [device] = table.machine.devices
    table = replace(table, machine=replace(table.machine, devices=(replace(device, stage_s=1.0),)))
    assert ANY(table).bound_s == pytest.approx(1.001)


@given(tables())
@settings(max_examples=25, deadline=None)
def test_no_nodes_on_several_hosts_cost_less(table: CostTable) -> None:
    """Where stages start for nothing, it is the least."""
    best_s = min((_total_s(table, runs) for runs in _every_runs(table)), default=inf)
    assert _bound_s(table) == pytest.approx(best_s, rel=1e-5)


@given(tables(), st.sampled_from([5e-4, 5e-3]))
@settings(max_examples=15, deadline=None)
def test_nor_do_they_where_stages_take_time_to_start(table: CostTable, start_s: float) -> None:
    assume(len(table.machine.hosts) == 2 and len(table.nodes) <= 3)
    devices = tuple(replace(each, stage_s=start_s) for each in table.machine.devices)
    table = replace(table, machine=replace(table.machine, devices=devices))
    best_s = min(
        (
            _total_s(table, runs) + _fewest_starts(table, runs) * start_s
            for runs in _every_runs(table)
        ),
        default=inf,
    )
    assert _bound_s(table) <= best_s * (1 + 1e-6)


def _bound_s(table: CostTable) -> float:
    try:
        return ANY(table).bound_s
    except UnplaceableError:
        return inf


def _transfer_s(table: CostTable, value: str, source: str, target: str) -> float:
    cost = table.transfer(value, Route(source, target))
    return inf if cost is None else cost.time_s


def _every_runs(table: CostTable) -> Iterator[_Runs]:
    names = [device.name for device in table.machine.devices]
    somewhere = [each for count in range(len(names)) for each in combinations(names, count + 1)]
    for chosen in product(somewhere, repeat=len(table.nodes)):
        runs = {node.name: each for node, each in zip(table.nodes, chosen, strict=True)}
        if _fits(table, runs):
            yield runs


def _fits(table: CostTable, runs: _Runs) -> bool:
    held = dict.fromkeys((memory.name for memory in table.machine.memories), 0)
    for name, devices in runs.items():
        for device in devices:
            held[table.machine.memory_of(device)] += table.node_named[name].weight_bytes
    return all(
        memory.capacity_bytes is None or held[memory.name] <= memory.capacity_bytes
        for memory in table.machine.memories
    )


def _total_s(table: CostTable, runs: _Runs) -> float:
    """Each value is brought to each memory that reads it and has no run of its node, from the
    nearest that has."""
    memory_of = table.machine.memory_of
    total_s = sum(table.node_named[name].run_s[each] for name in runs for each in runs[name])
    ends = {end.name: end.memory for end in table.outputs}
    for value in table.values:
        producer = table.producer.get(value.name)
        there = {"host"} if producer is None else {memory_of(each) for each in runs[producer]}
        wanted = {
            memory_of(each) for user in table.users.get(value.name, ()) for each in runs[user]
        }
        wanted |= {ends[value.name]} if value.name in ends else set()
        for target in sorted(wanted - there):
            total_s += min(_transfer_s(table, value.name, source, target) for source in there)
    return total_s


def _fewest_starts(table: CostTable, runs: _Runs) -> int:
    """Of every order in which the runs find what they read somewhere."""
    every = [(name, device) for name, devices in runs.items() for device in devices]

    def fewest(left: Sequence[tuple[str, str]], seen: frozenset[str], last: str) -> int:
        found = [] if left else [0]
        for name, device in left:
            node = table.node_named[name]
            if {*node.inputs} <= seen:
                rest = [each for each in left if each != (name, device)]
                after = fewest(rest, seen | {*node.outputs}, device)
                found.append(after + (device != last))
        return min(found)

    return fewest(every, frozenset({"x"}), "")
