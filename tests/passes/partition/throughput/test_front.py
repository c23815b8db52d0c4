"""Throughput against latency."""

from collections.abc import Callable

import pytest

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.machine import Device
from stagecut.compiler.ir.stream import StreamAccount
from stagecut.compiler.ir.stream_certificate import Limit
from stagecut.passes.partition.throughput.front import Front
from stagecut.passes.partition.throughput.throughput import Throughput
from stagecut.passes.partition.throughput.verify import verify
from tests.support.streams import every_account, random_heavy_table, stream_table

US = 1e-6
TABLE = stream_table(
    "a: one 8, two 6, four 16",
    Device("one", "host", resource="cores"),
    Device("two", "host", resource="cores", cores=2),
    Device("four", "host", resource="cores", batch=4),
    cores=2,
)


def test_a_front() -> None:
    points = Front()(TABLE)
    assert [str(point.stream) for point in points] == ["2 x four: a", "2 x one: a", "1 x two: a"]
    assert [point.account.period_s / US for point in points] == pytest.approx([2, 4, 6])
    assert [point.account.latency_s / US for point in points] == pytest.approx([22, 8, 6])
    for point in points:
        verify(TABLE, point.certificate)


def test_within_limits() -> None:
    points = Front((Limit("latency", 10 * US), Limit("memory", 1e6)))(TABLE)
    assert [str(point.stream) for point in points] == ["2 x one: a", "1 x two: a"]
    with pytest.raises(UnplaceableError, match=r"the least that can be had is 6\.00 µs"):
        Front((Limit("latency", 5 * US),))(TABLE)


def test_no_step_is_smaller_than_was_asked_for() -> None:
    points = Front(step=0.3)(TABLE)
    assert [str(point.stream) for point in points] == ["2 x four: a", "2 x one: a"]


def test_times_beside_which_all_others_are_nothing() -> None:
    """One device that takes an age: by its ticks, all streams are as fast, and none is told."""
    devices = (Device("one", "host"), Device("slow", "host"), Device("two", "host", cores=2))
    table = stream_table("a: one 8, two 6, slow 8\nb(a): one 8, two 6, slow 1e25", *devices)
    asked: tuple[Callable[[CostTable], object], ...] = (Front(), Throughput())
    for answer in asked:
        with pytest.raises(UnplaceableError, match="streams cannot be told from each other"):
            answer(table)


def test_what_takes_no_time_is_the_only_point() -> None:
    assert len(Front()(stream_table("a: one 0", Device("one", "host")))) == 1


def _front(accounts: list[StreamAccount]) -> list[tuple[float, float]]:
    """(period, latency), by the definition, in seconds."""
    found: list[tuple[float, float]] = []
    for period_s, latency_s in sorted((each.period_s, each.latency_s) for each in accounts):
        if not found or latency_s < found[-1][1] * (1 - 1e-6):
            found.append((period_s, latency_s))
    return found


@pytest.mark.no_cover
def test_every_stream_that_none_is_better_than() -> None:
    points = 0
    for seed in range(40):
        table = random_heavy_table(seed)
        accounts = every_account(table)
        if not accounts:
            continue
        front = Front(step=1e-6)(table)
        expected = _front(accounts)
        assert len(front) == len(expected)
        for point, (period_s, latency_s) in zip(front, expected, strict=True):
            assert point.account.period_s == pytest.approx(period_s, abs=1e-12)
            assert point.account.latency_s == pytest.approx(latency_s, abs=1e-12)
            verify(table, point.certificate)
        points += len(front)
    assert points > 50
