"""Limits one by one, and what is said where nothing keeps to them."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.costs import Budget, CostTable, Endpoint
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.machine import Device
from stagecut.compiler.ir.stream_certificate import Limit
from stagecut.passes.partition.throughput.streams import NothingWithin, Streams
from stagecut.passes.partition.throughput.throughput import Throughput
from tests.support.streams import stream_table

US = 1e-6
#: One core: 8 us a call. Two cores: 6 us. Four inputs together on one core: 16 us.
TRADES = replace(
    stream_table(
        "a: one 8, two 6, four 16",
        Device("one", "host", resource="cores"),
        Device("two", "host", resource="cores", cores=2),
        Device("four", "host", resource="cores", batch=4),
        cores=2,
    ),
    outputs=(Endpoint("a", "host"),),
)


def test_only_what_is_exceeded_is_held() -> None:
    """2 x four takes 22 us and 8 KiB, 2 x one 8 us and 2 KiB, 1 x two 6 us and 1 KiB."""
    streams = Streams.of(TRADES)
    latency, memory = Limit("latency", 9 * US), Limit("memory", 1500)
    cases = {
        (latency, Limit("memory", 9000)): ("2 x one: a", (latency,)),
        (Limit("latency", 30 * US), memory): ("1 x two: a", (memory,)),
        (latency, memory): ("1 x two: a", (latency, memory)),
        (memory, latency): ("1 x two: a", (memory,)),
    }
    for limits, (stream, held) in cases.items():
        solution = streams.solution(limits)
        assert (str(solution.stream), solution.certificate.limits) == (stream, held)


def test_nothing_within() -> None:
    streams = Streams.of(TRADES)
    limits = (Limit("latency", 5 * US), Limit("memory", 9000))
    assert streams.fastest(limits, streams.unlimited) == NothingWithin(limits[:1], proved=True)


def _said(table: CostTable, limits: tuple[Limit, ...], *, proved: bool = True) -> str:
    return str(Streams.of(table).error(NothingWithin(limits, proved), limits))


#: Only a batch of two can run b; a takes 4 us on a core, of which there are two.
WAITS = stream_table(
    "a: cpu 4\n b(a): npu 3",
    Device("cpu", "host", resource="cores"),
    Device("npu", "host", batch=2),
    cores=2,
)
LATENCY = Limit("latency", 5 * US)
SAID = {
    "of one limit": (
        TRADES,
        (LATENCY,),
        "limit of latency: no stream keeps to 5.00 µs of latency: the least that can be had is "
        "6.00 µs of latency\n  fix: allow 6e-06s or more",
    ),
    "where batches wait, and the faster the less": (
        WAITS,
        (LATENCY,),
        "limit of latency: no stream keeps to 5.00 µs of latency: the least that can be had is "
        "9.00 µs of latency\n  fix: allow 9e-06s or more",
    ),
    "of one beside another": (
        TRADES,
        (Limit("latency", 6 * US), Limit("memory", 100)),
        "limit of memory: no stream keeps to 100 B of memory within 6.00 µs of latency: the least "
        "that can be had is 1.00 KiB of memory\n  fix: allow 1024B or more",
    ),
    "of what the table says itself": (
        TRADES,
        (Limit("weights", 100),),
        "memory host: no stream keeps to 100 B of weights: the least that can be had is 0 B of "
        "weights\n  fix: allow 0B or more",
    ),
}


@pytest.mark.parametrize(("table", "limits", "said"), SAID.values(), ids=SAID.keys())
def test_what_is_said(table: CostTable, limits: tuple[Limit, ...], said: str) -> None:
    assert _said(table, limits) == said


#: The fastest wears nothing out, and what is over at once does.
WORN = replace(
    TRADES,
    nodes=tuple(replace(node, uses={"wear": {"two": 2.0}}) for node in TRADES.nodes),
    budgets=(Budget("wear", 1.0),),
)


def test_the_least_that_can_be_had_is_within_all_other_limits() -> None:
    with pytest.raises(UnplaceableError, match=r"the least that can be had is 8\.00 µs"):
        Throughput((LATENCY,))(WORN)


def test_of_two_limits_that_nothing_keeps_to_either_is_told() -> None:
    """Without the one that was found first, there is the other one still."""
    worn = (replace(node, uses={"wear": dict.fromkeys(node.run_s, 2.0)}) for node in WORN.nodes)
    table = replace(WORN, nodes=tuple(worn))
    with pytest.raises(UnplaceableError, match="2 of wear an input"):
        Throughput((Limit("latency", 1 * US),))(table)


def test_what_is_said_where_it_is_not_known() -> None:
    limits = (Limit("latency", 6 * US), Limit("memory", 1024))
    assert _said(TRADES, limits, proved=False) == (
        "limit of memory: no stream was found that keeps to 1.00 KiB of memory within 6.00 µs of "
        "latency, and there may be one\n  fix: raise one of the limits"
    )


def test_a_walk() -> None:
    streams = Streams.of(TRADES)
    points = [*streams.walk(streams.unlimited, (), 0.0)]
    assert [str(point.stream) for point in points] == ["2 x four: a", "2 x one: a", "1 x two: a"]
