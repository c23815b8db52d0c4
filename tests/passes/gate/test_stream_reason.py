"""What a pipeline has that replicas of the whole model have not."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from stagecut.compiler.ir.contender import Contender, ContenderId, ContenderKind
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.machine import Device
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.stream import StreamSchedule, stream_account
from stagecut.compiler.ir.stream_certificate import Limit
from stagecut.compiler.ir.transfers import scheduled
from stagecut.passes.gate.contenders import Proposal
from stagecut.passes.gate.stream_contenders import StreamProposal, fastest, replicas_of_all
from stagecut.passes.gate.stream_gate import predicted
from stagecut.passes.gate.stream_reason import reason
from stagecut.passes.partition.throughput.throughput import Throughput
from tests.support.streams import heavy, stream_table

ONE = Device("one", "host", resource="cores")
OTHER = Device("other", "host", resource="cores")
TWO = Device("two", "host", resource="cores", cores=2)
PIM = Device("pim", "pim", resource="pim")

CASES = {
    "a resource of its own": (
        "a: one 4\nb(a): one 9, pim 1",
        (ONE, PIM),
        ["uses more than one resource (cores, pim): with cores alone", "every 3.25 µs at best"],
    ),
    "engines that are better at parts": (
        "a: one 1, other 9\nb(a): one 9, other 1",
        (ONE, OTHER),
        ["run on different engines (one, other): with one alone", "every 2.50 µs at best"],
    ),
    "threads": (
        "a: one 4, two 1\nb(a): one 2, two 2",
        (ONE, TWO),
        ["run on different numbers of threads (1 and 2): with 1 thread alone", "every 1.50 µs"],
    ),
    "no device for all": (
        "a: one 1\nb(a): other 1",
        (ONE, OTHER),
        ["no device may run the whole model", "and no one of them can do it all"],
    ),
}


@pytest.mark.parametrize(("nodes", "devices", "told"), CASES.values(), ids=CASES.keys())
def test_reasons(nodes: str, devices: Sequence[Device], told: Sequence[str]) -> None:
    table = stream_table(nodes, *devices, cores=4)
    best = fastest(table, Throughput()(table))
    assert len(best.stream.schedule.stages) == 2
    said = reason(table, (), best, [*replicas_of_all(table)], {})
    assert said.startswith("a pipeline, as ")
    assert all(each in said for each in told), said


def test_whole_replicas_need_no_reason() -> None:
    table = stream_table("a: one 4\nb(a): one 4", ONE, cores=2)
    [whole] = replicas_of_all(table)
    assert reason(table, (), whole, [whole], {}) == ""


def _cut(table: CostTable) -> StreamProposal:
    schedule = scheduled(table, [Stage("one", ("a",)), Stage("one", ("b",))])
    stream = StreamSchedule(schedule, (1, 1))
    [whole] = replicas_of_all(table)
    single = Proposal(whole.id, schedule, whole.single.account)
    return StreamProposal(whole.id, single, stream, stream_account(table, stream))


def test_stages_that_take_less_than_the_whole() -> None:
    """As where weights stay in a cache: the whole was seen to take longer than its parts."""
    parts = stream_table("a: one 3\nb(a): one 3", ONE, cores=2)
    slow = stream_table("a: one 4\nb(a): one 4", ONE, cores=2)
    [whole] = replicas_of_all(slow)
    assert "take less, one after the other" in reason(parts, (), _cut(parts), [whole], {})
    assert reason(slow, (), _cut(slow), [whole], {}) == ""


def test_wholes_that_do_not_take_part() -> None:
    table = stream_table("a: one 4\nb(a): one 9, pim 1", ONE, PIM, cores=4)
    best = fastest(table, Throughput()(table))
    assert "keeps to the limits, or is right" in reason(table, (), best, [], {})


def test_a_limit_that_keeps_whole_replicas_out() -> None:
    """They need four inputs a call, and so 16 us each."""
    batched = Device("batched", "host", resource="cores", batch=4)
    table = stream_table(
        "a: batched 8, one 4\nb(a): batched 8, one 9, pim 1", ONE, PIM, batched, cores=2
    )
    limits = (Limit("latency", 9e-6),)
    best = fastest(table, Throughput(limits)(table))
    assert len(best.stream.schedule.stages) == 2
    said = reason(table, limits, best, [*replicas_of_all(table, limits)], {})
    assert (
        "whole replicas do not keep to 9.00 µs of latency: without it 2 x batched would be" in said
    )


def test_a_memory_that_is_too_small_for_the_whole() -> None:
    table = stream_table("a: one 4\nb(a): one 4, pim 4", ONE, PIM, cores=2)
    table = heavy(table, weight_bytes=100, size_bytes=1, capacity_bytes=150)
    best = fastest(table, Throughput()(table))
    assert len(best.stream.schedule.stages) == 2
    said = reason(table, (), best, [], {})
    assert (
        "whole replicas do not keep to the room that there is in memory: without it 2 x one" in said
    )


def _measured(proposal: StreamProposal, period_s: float, *stage_s: float) -> Contender:
    return replace(
        predicted(proposal), accounting="measured", median_s=period_s, stage_s=tuple(stage_s)
    )


def test_replicas_beside_one_call_on_all_threads() -> None:
    table = stream_table("a: one 4, two 3", ONE, TWO, cores=2)
    replicas, single = replicas_of_all(table)
    seen = {
        each.id: _measured(each, *took)
        for each, took in ((replicas, (2e-3, 4e-3)), (single, (3e-3, 3e-3)))
    }
    assert reason(table, (), replicas, [replicas, single], seen) == (
        "replicas, as 2 calls at once take 4.00 ms each, and one on 2 times the threads (two) "
        "3.00 ms: it is 1.33 times as fast (measured)"
    )
    assert reason(table, (), replicas, [replicas, single], {}) == ""
    assert reason(table, (), single, [replicas, single], seen) == ""
    seen[replicas.id] = _measured(replicas, 2.99e-3, 6e-3)  # within the noise
    assert reason(table, (), replicas, [replicas, single], seen) == ""


def test_what_was_measured_of_stages_leads() -> None:
    table = stream_table("a: one 4\nb(a): one 4", ONE, cores=2)
    [whole] = replicas_of_all(table)
    cut = _cut(table)
    cut = replace(cut, id=ContenderId(ContenderKind.OPTIMUM))
    seen = {whole.id: _measured(whole, 4e-3, 8e-3), cut.id: _measured(cut, 3e-3, 3e-3, 3e-3)}
    assert "(6.00 ms, 8.00 ms, measured)" in reason(table, (), cut, [whole], seen)
