"""Nothing that may be done about what hosts hand to each other costs less than the bound, by looking
at it all: every node on every set of hosts, in every order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product
from math import inf

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stagecut.compiler.ir.costs import CostTable, NodeCosts, ValueCosts
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.machine import Route
from stagecut.passes.partition.partition import Partition
from stagecut.passes.partition.throughput.over_hosts import ThroughputOverHosts
from stagecut.passes.rewrite.relaxed import Relaxed, repeated
from tests.support.every_hosts_stream import every_account
from tests.support.host_tables import chain, machine, tables

#: Where each run of a node is: the devices, by node.
_Runs = Mapping[str, tuple[str, ...]]


def _transfer_s(table: CostTable, value: str, source: str, target: str) -> float:
    cost = table.transfer(value, Route(source, target))
    return inf if cost is None else cost.time_s


def test_each_way_takes_the_least_of_all_that_may_be_done() -> None:
    """A value of 1000 bytes takes 0.11 ms, and 2 ms where links are slow; node b takes 1 ms."""
    fast, slow = (chain(machine(2, bytes_per_s=each), 1e-3, 1e-3) for each in (1e8, 5e5))
    coded = {"a'": {Route("host", "b"): 0.2e-3}}
    as_it_is = Relaxed({}, streams=False)(fast)
    assert _transfer_s(as_it_is, "a'", "host", "b") == pytest.approx(0.11e-3)
    again = Relaxed({}, streams=False)(slow)
    assert _transfer_s(again, "a'", "host", "b") == pytest.approx(1e-3)
    assert _transfer_s(again, "x", "host", "b") == pytest.approx(2.1e-3)  # no node makes it
    either = Relaxed(coded, streams=False)(slow)
    assert _transfer_s(either, "a'", "host", "b") == pytest.approx(0.2e-3)
    assert _transfer_s(either, "a'", "b", "host") == pytest.approx(1e-3)


def test_in_a_stream_what_is_made_again_takes_no_link() -> None:
    fast, slow = (chain(machine(2, bytes_per_s=each), 1e-3, 1e-3) for each in (1e8, 5e5))
    assert repeated(fast) == frozenset()
    assert repeated(slow) == {"a", "b"}
    assert _transfer_s(Relaxed({}, streams=True)(slow), "a'", "host", "b") == 0.0
    assert _transfer_s(Relaxed({}, streams=True)(fast), "a'", "host", "b") > 0


@given(tables())
@settings(max_examples=25, deadline=None)
def test_no_nodes_on_several_hosts_cost_less(table: CostTable) -> None:
    best_s = min((_total_s(table, runs) for runs in _every_runs(table)), default=inf)
    assert _bound_s(table) <= best_s * (1 + 1e-9)


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
    assert _bound_s(table) <= best_s * (1 + 1e-9)


@given(tables(), st.data())
@settings(max_examples=25, deadline=None)
def test_no_stream_with_a_node_on_several_hosts_is_faster(
    table: CostTable, data: st.DataObject
) -> None:
    assume(len(table.nodes) <= 3)
    able = [node for node in table.nodes if node.name in repeated(table)]
    assume(able)
    twice = _with_a_copy(table, data.draw(st.sampled_from(able)), data)
    best_s = min((each.period_s for each in every_account(twice)), default=inf)
    try:
        found = ThroughputOverHosts()(Relaxed({}, streams=True)(table))
    except UnplaceableError:
        assert best_s == inf
        return
    assert found.certificate.lower_bound <= best_s * (1 + 1e-9)


def _bound_s(table: CostTable) -> float:
    try:
        return Partition()(Relaxed({}, streams=False)(table)).certificate.lower_bound
    except UnplaceableError:
        return inf


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
        wanted = {memory_of(each) for user in table.users.get(value.name, ()) for each in runs[user]}
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


def _with_a_copy(table: CostTable, node: NodeCosts, data: st.DataObject) -> CostTable:
    """Some that read the node's value read that of another run of it."""
    [value] = node.outputs
    readers = data.draw(st.sets(st.sampled_from(table.users.get(value, ("none",)))))
    copied = replace(node, name="copy", outputs=("v'",))
    nodes = [
        replace(each, inputs=tuple("v'" if name == value else name for name in each.inputs))
        if each.name in readers
        else each
        for each in table.nodes
    ]
    same = replace(table.value(value), name="v'")
    assert isinstance(same, ValueCosts)
    return replace(table, nodes=(*nodes, copied), values=(*table.values, same))
