"""The least period within limits."""

from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.machine import Device
from stagecut.compiler.ir.stream_certificate import Limit
from stagecut.passes.partition.throughput.streams import Streams
from stagecut.passes.partition.throughput.within import Within
from tests.support.streams import stream_table

US = 1e-6
BATCHES = stream_table(
    "a: one 8, four 12",
    Device("one", "host", resource="cores"),
    Device("four", "host", resource="cores", batch=4),
    cores=2,
)


def _fastest_us(table: CostTable, *limits: Limit) -> tuple[float, int]:
    """The period in microseconds, and how many stretches prove it."""
    probe = Streams.of(table).probe
    parts, stretches, complete = Within(probe, limits).fastest(Fraction(0))
    assert complete
    tick_us = probe.calls.costs.tick_s / US
    return float(probe.period(parts)) * tick_us, len(stretches)


WAITS = {
    "room for the call and all waits": (12 + 3 * 1.5, 1.5, 1),
    "room for the call and not for the waits": (14, 4, 2),
    "room for no batch": (11, 4, 1),
}


@pytest.mark.parametrize(("latency_us", "period_us", "stretches"), WAITS.values(), ids=WAITS.keys())
def test_a_batch_has_to_wait(latency_us: float, period_us: float, stretches: int) -> None:
    """Two replicas with a batch of 4 let an input through every 1.5 us: it waits for three."""
    found_us, proofs = _fastest_us(BATCHES, Limit("latency", latency_us * US))
    assert found_us == pytest.approx(period_us)
    assert proofs == stretches


def test_nothing_keeps_to_it() -> None:
    probe = Streams.of(BATCHES).probe
    limits = (Limit("latency", 7 * US),)
    assert Within(probe, limits).fastest(Fraction(0)) == ((), (), True)
    least, parts = Within(probe, limits).least(Fraction(0))
    assert least == pytest.approx(8 * US)
    assert [part.device for part in parts] == [0]


def test_too_many_labels_give_a_pipeline_and_no_proof() -> None:
    """With a single label a set, what is found keeps to the limits, and may not be the best."""
    unproved = 0
    for seed in range(25):
        random = Random(seed)  # noqa: S311
        streams = Streams.of(_chain(random))
        (_, fastest) = streams.unlimited
        account = streams.as_solution(*streams.unlimited).account
        limits = (
            Limit("latency", account.latency_s * random.uniform(0.6, 1)),
            Limit("memory", round(account.memory_bytes * random.uniform(0.6, 1))),
        )
        best, _, proved = Within(streams.probe, limits).fastest(fastest.period)
        assert proved
        within = Within(streams.probe, limits, most_labels=1)
        parts, _, complete = within.fastest(fastest.period)
        unproved += not complete
        if parts:
            assert not within.exceeded(parts)
            assert streams.probe.period(parts) >= streams.probe.period(best)
        if complete:
            assert bool(parts) == bool(best)
    assert unproved


def _chain(random: Random) -> CostTable:
    """Five nodes; one core, two cores, or a batch of three on one."""
    devices = [
        Device("one", "host", resource="cores"),
        Device("two", "host", resource="cores", cores=2, stage_s=1 * US),
        Device("three", "host", resource="cores", batch=3),
    ]
    lines = [
        f"n{at}{f'(n{at - 1})' if at else ''}: one {random.randint(3, 9)}, "
        f"two {random.randint(2, 7)}, three {random.randint(6, 20)}"
        for at in range(5)
    ]
    table = stream_table("\n".join(lines), *devices, cores=8)
    nodes = (replace(each, weight_bytes=random.randint(0, 2000)) for each in table.nodes)
    return replace(table, nodes=tuple(nodes))
