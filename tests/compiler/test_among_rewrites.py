"""What is proved of a plan over hosts, and the places of nodes from which others are made."""

from dataclasses import replace

import pytest

from stagecut.compiler.among_rewrites import AmongRewrites, Rewrites, coded_costs
from stagecut.compiler.ir.graph import Graph, Node, Value
from stagecut.compiler.ir.machine import Route
from stagecut.compiler.ir.solution import ALL_SCHEDULES
from stagecut.passes.partition.partition import Partition
from tests.support.host_tables import chain, machine
from tests.support.two_hosts import slow_link

ANY = Rewrites(frozenset(), {})


def _among(*, coded: bool = False, streams: bool = False) -> AmongRewrites:
    return AmongRewrites(2.0, ALL_SCHEDULES, coded, streams)


def test_what_is_proved_is_said_and_no_more() -> None:
    exact = _among().certificate(2.0)
    assert exact is not None
    assert exact.exact
    assert exact.claim == "no plan in which nodes run on several hosts is faster"
    open_ = _among(coded=True, streams=True).certificate(4.0)
    assert open_ is not None
    assert open_.gap == 0.5
    assert open_.claim.startswith("no stream in which nodes that are lighter than what they write")
    assert open_.claim.endswith("as fp16 or int8, is faster by more than 50.00%")


def test_of_a_plan_that_takes_less_than_any_by_these_costs_nothing_is_proved() -> None:
    assert _among().certificate(1.9) is None


def test_where_all_fits_one_host_no_other_is_of_use() -> None:
    table = chain(machine(2), 1e-3, 2e-3)
    solved = Partition()(table)
    among = ANY.for_latency(table)
    assert among.bound_s == pytest.approx(3e-3)
    assert among.is_met(solved.account.latency_s)
    tried = tuple(ANY.tried(table, solved.schedule, among))
    assert tried == ({"a": ("host",), "b": ("host",)},)


def test_a_stream_is_bound_by_its_stages_alone_where_links_are_saved() -> None:
    """Each host holds one node, which weighs more than what it writes; a value takes 20 ms, and a
    node 5 ms."""
    slow = machine(2, capacity_bytes=2000, cpus=1, bytes_per_s=5e4)
    table = chain(slow, 5e-3, 5e-3, weight_bytes=2000)
    weighed = ANY.for_streams(table)
    assert weighed.bound_s == pytest.approx(20.1e-3)  # its input and its output
    first, last = table.nodes
    light = replace(table, nodes=(replace(first, weight_bytes=0), replace(last, weight_bytes=0)))
    assert ANY.for_streams(light).bound_s < weighed.bound_s


def test_a_coded_value_takes_what_its_smallest_form_takes() -> None:
    """Of 0.1 ms and 10 MB/s: 1200 bytes as int8, and scales, which are smaller than any sample."""
    value, number = Value("v", "float32", (3, 400)), Value("n", "int64", (3,))
    nodes = tuple(Node(each.name, "Op", (), (), (each,), (), 0) for each in (value, number))
    found = coded_costs(Graph("g", nodes, (), (value,)), slow_link())
    assert [*found] == ["v"]
    assert found["v"][Route("host", "b")] == pytest.approx(2.2e-4 + 1.1e-4)
