"""What a pipeline has that replicas of the whole model have not."""

from collections.abc import Sequence

import pytest

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.machine import Device
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.stream import StreamSchedule, stream_account
from stagecut.compiler.ir.transfers import scheduled
from stagecut.passes.gate.contenders import Proposal
from stagecut.passes.gate.stream_contenders import StreamProposal, fastest, replicas_of_all
from stagecut.passes.gate.stream_reason import reason
from stagecut.passes.partition.throughput.throughput import Throughput
from tests.support.streams import stream_table

ONE = Device("one", "host", resource="cores")
OTHER = Device("other", "host", resource="cores")
TWO = Device("two", "host", resource="cores", cores=2)
PIM = Device("pim", "pim", resource="pim")

CASES = {
    "a resource of its own": (
        "a: one 4\nb(a): one 9, pim 1",
        (ONE, PIM),
        ["uses more than one resource"],
    ),
    "engines that are better at parts": (
        "a: one 1, other 9\nb(a): one 9, other 1",
        (ONE, OTHER),
        ["run on different engines"],
    ),
    "threads": (
        "a: one 4, two 1\nb(a): one 2, two 2",
        (ONE, TWO),
        ["run on different numbers of threads"],
    ),
    "no device for all": (
        "a: one 1\nb(a): other 1",
        (ONE, OTHER),
        ["no device may run the whole model"],
    ),
}


@pytest.mark.parametrize(("nodes", "devices", "told"), CASES.values(), ids=CASES.keys())
def test_reasons(nodes: str, devices: Sequence[Device], told: Sequence[str]) -> None:
    table = stream_table(nodes, *devices, cores=4)
    best = fastest(table, Throughput()(table))
    assert len(best.stream.schedule.stages) == 2
    said = reason(table, best, [*replicas_of_all(table)])
    assert said.startswith("a pipeline, as ")
    assert all(each in said for each in told), said


def test_whole_replicas_need_no_reason() -> None:
    table = stream_table("a: one 4\nb(a): one 4", ONE, cores=2)
    [whole] = replicas_of_all(table)
    assert reason(table, whole, [whole]) == ""


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
    assert "take less, one after the other" in reason(parts, _cut(parts), [whole])
    assert reason(slow, _cut(slow), [whole]) == ""


def test_wholes_that_do_not_take_part() -> None:
    table = stream_table("a: one 4\nb(a): one 9, pim 1", ONE, PIM, cores=4)
    best = fastest(table, Throughput()(table))
    assert "keeps to the limits, or is right" in reason(table, best, [])
