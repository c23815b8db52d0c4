"""The account of a stream."""

from collections.abc import Sequence
from dataclasses import replace
from heapq import heappop, heappush
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler.ir.costs import Endpoint
from stagecut.compiler.ir.errors import ScheduleError
from stagecut.compiler.ir.machine import Device
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.stream import (
    StreamSchedule,
    in_flight,
    stream_account,
    stream_of,
)
from stagecut.compiler.ir.transfers import scheduled
from stagecut.runtime.scheduler import Scheduler, Start
from tests.support.streams import heavy, stream_table

US = 1e-6
TABLE = stream_table(
    "a: cpu 4\n b(a): cpu 8, pim 1, pam 1\n c(b): cpu 6, batch 20, pim 1",
    Device("cpu", "host", stage_s=2 * US, resource="cores"),
    Device("batch", "host", batch=5, resource="cores", cores=2),
    Device("pim", "pim", basis="modelled"),
    Device("pam", "pam"),
    cores=4,
)


def _stream(*parts: tuple[int, str, str]) -> StreamSchedule:
    stages = [Stage(device, tuple(nodes)) for _, device, nodes in parts]
    return StreamSchedule(scheduled(TABLE, stages), tuple(count for count, _, _ in parts))


def test_the_slowest_stage_sets_the_period() -> None:
    stream = _stream((2, "cpu", "ab"), (1, "batch", "c"))
    account = stream_account(TABLE, stream)
    assert str(stream) == "2 x cpu: a, b\n1 x batch: c"
    assert [stage.call_s / US for stage in account.stages] == pytest.approx([14, 20])
    assert account.period_s == pytest.approx(7 * US)
    assert account.inputs_per_s == pytest.approx(1 / (7 * US))
    assert account.latency_s == pytest.approx((14 + 20 + 4 * 7) * US)
    assert account.used == {"cores": 4}
    assert account.busy == pytest.approx([1, 4 / 7])
    assert account.basis == "measured"


def test_a_stage_far_away_pays_for_both_ways() -> None:
    account = stream_account(TABLE, _stream((1, "cpu", "a"), (1, "pim", "b"), (1, "cpu", "c")))
    assert [stage.call_s / US for stage in account.stages] == pytest.approx([6, 1 + 2 + 2, 8])
    assert account.basis == "modelled"


def test_no_time_is_no_limit() -> None:
    table = stream_table("a: cpu 0", Device("cpu", "host"))
    account = stream_account(table, StreamSchedule(scheduled(table, [Stage("cpu", ("a",))]), (1,)))
    assert account.inputs_per_s == float("inf")
    assert account.busy[0] == 1


REFUSED = {
    "more units than there are": (((3, "cpu", "ab"), (1, "batch", "c")), "5 units are used"),
    "two stages far away": (((1, "cpu", "a"), (1, "pim", "b"), (1, "pim", "c")), "two stages"),
    "straight from one to another": (
        ((1, "cpu", "a"), (1, "pam", "b"), (1, "pim", "c")),
        "goes pam>pim, and in a stream values pass through host",
    ),
}


@pytest.mark.parametrize(("parts", "problem"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_stream(parts: tuple[tuple[int, str, str], ...], problem: str) -> None:
    with pytest.raises(ScheduleError, match=problem):
        stream_account(TABLE, _stream(*parts))


@pytest.mark.parametrize("replicas", [(), (0,), (1, 1)])
def test_every_stage_has_replicas(replicas: tuple[int, ...]) -> None:
    schedule = scheduled(TABLE, [Stage("cpu", ("a", "b", "c"))])
    with pytest.raises(ScheduleError, match="1 stages have the replicas"):
        StreamSchedule(schedule, replicas)


def test_what_the_host_s_memory_holds() -> None:
    """Weights once a stage, and only those of devices that live there; what is passed on, for each
    replica and input of a batch, wherever the stage runs."""
    table = heavy(TABLE, weight_bytes=100, size_bytes=10)
    stages = [Stage("cpu", ("a",)), Stage("pim", ("b",)), Stage("batch", ("c",))]
    account = stream_account(table, stream_of(table, stages, (2, 1, 1)))
    assert [stage.weight_bytes for stage in account.stages] == [100, 0, 100]
    assert [stage.passed_bytes for stage in account.stages] == [2 * 10, 10 + 10, 5 * 10]
    assert (account.weight_bytes, account.memory_bytes) == (200, 290)
    assert [account.taken(name) for name in ("latency", "memory", "weights")] == [
        account.latency_s,
        290,
        200,
    ]


def test_inputs_and_outputs_are_passed_on_and_what_is_free_is_not() -> None:
    table = heavy(
        stream_table("a(x, y): cpu 1", Device("cpu", "host")), weight_bytes=0, size_bytes=8
    )
    free = stream_account(table, stream_of(table, [Stage("cpu", ("a",))], (1,)))
    bound = replace(table, inputs=(Endpoint("x", "host"),), outputs=(Endpoint("a", "host"),))
    given = stream_account(bound, stream_of(bound, [Stage("cpu", ("a",))], (1,)))
    assert (free.memory_bytes, given.memory_bytes) == (0, 16)


def test_all_goes_by_way_of_the_host() -> None:
    stages = [Stage("cpu", ("a",)), Stage("pam", ("b",)), Stage("pim", ("c",))]
    account = stream_account(TABLE, stream_of(TABLE, stages, (1, 1, 1)))
    assert [stage.call_s / US for stage in account.stages] == pytest.approx([6, 1 + 2 + 2, 1 + 2])


#: Of two replicas whose calls take twice the period.
IN_FLIGHT = {
    "one in each, and one that waits": (1e-2, 3),
    "a millisecond of them": (1e-4, 10),
    "32 at most": (1e-6, 32),
}


@pytest.mark.parametrize(("period_s", "limit"), IN_FLIGHT.values(), ids=IN_FLIGHT.keys())
def test_more_are_in_flight_where_they_are_over_at_once(period_s: float, limit: int) -> None:
    assert in_flight((2,), (1,), period_s, 2 * period_s) == limit


@pytest.mark.parametrize(
    ("most_s", "expected"), [(0.0301, 3), (0.0299, 2), (0.02, 2), (0.0199, 1), (0.001, 1)]
)
def test_no_more_are_in_flight_than_may_wait(most_s: float, expected: int) -> None:
    assert in_flight((2,), (1,), 1e-2, 2e-2, most_s) == expected


def test_a_batch_waits_for_each_replica_of_the_first_stage() -> None:
    assert in_flight((2,), (4,), 1e-2, 8e-2 + 3e-2) == 2 * 4 + 2 * 4
    assert in_flight((2, 1), (4, 4), 0.0, 0.0) == 3 * 4 + 4 + 2 * 4


#: The batches of three stages of two, one and one replicas -> on their way, and waiting.
MIXED = {
    "one by one": ((1, 1, 1), 4 + 2, 1),
    "all alike": ((4, 4, 4), 16 + 8, 8),
    "put together behind the first": ((1, 4, 1), 2 + 4 + 1 + 5, 4),
    "put together twice": ((4, 1, 4), 8 + 1 + 4 + 5, 12),
}


@pytest.mark.parametrize(("batches", "going", "waiting"), MIXED.values(), ids=MIXED.keys())
def test_a_batch_waits_wherever_it_is_put_together(
    batches: tuple[int, ...], going: int, waiting: int
) -> None:
    assert in_flight((2, 1, 1), batches, 0.0) == going + waiting
    assert in_flight((2, 1, 1), batches, 1.0, 3.0) == min(going, 3) + waiting


def test_without_a_latency_every_replica_has_an_input_and_every_stage_another() -> None:
    assert in_flight((2, 3), (1, 1), 1e-2) == in_flight((2, 3), (1, 1), 1e-2, 7e-2) == 5 + 2


def test_a_batch_is_in_flight_at_the_least() -> None:
    assert in_flight((2,), (4,), 1e-2, 8e-2, 0.02) == 4


@given(
    calls_s=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    replicas=st.lists(st.integers(1, 3), min_size=3, max_size=3),
    slack=st.floats(1.0, 3.0),
)
def test_what_is_promised_of_the_latency_is_kept(
    calls_s: list[int], replicas: list[int], slack: float
) -> None:
    """On average, as the runtime's scheduler has it, with a new input whenever one is through;
    those that it is filled with all come at once."""
    counts = replicas[: len(calls_s)]
    period_s = max(call_s / count for call_s, count in zip(calls_s, counts, strict=True))
    most_s = slack * sum(calls_s)
    limit = in_flight(counts, (1,) * len(counts), period_s, sum(calls_s), most_s)
    assert mean(_latencies(calls_s, counts, limit)[-36:]) <= most_s * (1 + 1e-9)


def _latencies(calls_s: Sequence[int], replicas: Sequence[int], limit: int) -> list[float]:
    """Of the first inputs of a stream that is always full."""
    scheduler: Scheduler[int] = Scheduler(replicas, limit=limit)
    running: list[tuple[float, int, Start[int]]] = []
    arrived_s: list[float] = []
    found: list[float] = []
    now_s = 0.0
    while len(found) < 72:
        while scheduler.has_room:
            scheduler.arrive(len(arrived_s), None)
            arrived_s.append(now_s)
            scheduler.admit()
        for start in scheduler.begin():
            heappush(running, (now_s + calls_s[start.stage], start.inputs[0], start))
        now_s, one, start = heappop(running)
        scheduler.end(start)
        if start.stage == len(calls_s) - 1:
            found.append(now_s - arrived_s[one])
    return found
