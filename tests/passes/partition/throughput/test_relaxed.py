"""Nothing that may be done about what hosts hand to each other makes a stream faster than the
bound, by looking at every stream with a node that works in two stages.
"""

from dataclasses import replace
from math import inf

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stagecut.compiler.ir.costs import CostTable, NodeCosts
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.machine import Route
from stagecut.passes.partition.throughput.over_hosts import ThroughputOverHosts
from stagecut.passes.partition.throughput.relaxed import Relaxed, repeated
from tests.support.every_hosts_stream import every_account
from tests.support.host_tables import chain, machine, tables

ALL = Relaxed(frozenset(), {})


def _transfer_s(table: CostTable, value: str, source: str, target: str) -> float:
    cost = table.transfer(value, Route(source, target))
    return inf if cost is None else cost.time_s


def test_what_may_be_made_again_takes_no_link() -> None:
    """A value of 1000 bytes takes 0.11 ms, and 2.1 ms where links are slow; a node takes 1 ms."""
    fast, slow = (
        chain(machine(2, bytes_per_s=each), 1e-3, 1e-3, weight_bytes=0) for each in (1e8, 5e5)
    )
    assert repeated(fast) == frozenset()
    assert repeated(slow) == {"a", "b"}
    heavy = chain(machine(2, bytes_per_s=5e5), 1e-3, 1e-3, weight_bytes=1001)
    assert repeated(heavy) == frozenset()
    assert _transfer_s(ALL(slow), "a'", "host", "b") == 0.0
    assert _transfer_s(ALL(slow), "x", "host", "b") == pytest.approx(2.1e-3)  # no node makes it
    assert _transfer_s(ALL(fast), "a'", "host", "b") == pytest.approx(0.11e-3)
    only_b = Relaxed({"a"}, {})
    assert _transfer_s(only_b(slow), "a'", "host", "b") == pytest.approx(2.1e-3)


def test_what_may_be_coded_takes_the_less_of_both() -> None:
    table = chain(machine(2, bytes_per_s=1e8), 1e-3, 1e-3)
    coded = Relaxed(frozenset(), {"a'": {Route("host", "b"): 5e-5, Route("b", "host"): 5e-3}})
    assert _transfer_s(coded(table), "a'", "host", "b") == pytest.approx(5e-5)
    assert _transfer_s(coded(table), "a'", "b", "host") == pytest.approx(0.11e-3)


@given(tables(), st.data())
@settings(max_examples=25, deadline=None)
def test_no_stream_with_a_node_on_several_hosts_is_faster(
    table: CostTable, data: st.DataObject
) -> None:
    assume(len(table.nodes) <= 3)
    light = tuple(
        replace(node, weight_bytes=node.weight_bytes * (at % 2))
        for at, node in enumerate(table.nodes)
    )
    table = replace(table, nodes=light)
    able = [node for node in table.nodes if node.name in repeated(table)]
    assume(able)
    twice = _with_a_copy(table, data.draw(st.sampled_from(able)), data)
    best_s = min((each.period_s for each in every_account(twice)), default=inf)
    try:
        found = ThroughputOverHosts()(ALL(table))
    except UnplaceableError:
        assert best_s == inf
        return
    assert found.certificate.lower_bound <= best_s * (1 + 1e-9)


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
    return replace(table, nodes=(*nodes, copied), values=(*table.values, same))
