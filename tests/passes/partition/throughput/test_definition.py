"""What stages take, by the checker's own reading of the definition."""

from fractions import Fraction

import pytest

from stagecut.compiler.ir.machine import Device
from stagecut.compiler.ir.stream_certificate import Limit
from stagecut.passes.partition.throughput.definition import Definition
from tests.support.streams import heavy, stream_table

US = 1e-6
TABLE = heavy(
    stream_table(
        "a: cpu 4\n b(a): cpu 8, pim 1\n c(b): cpu 1",
        Device("cpu", "host", resource="cores", stage_s=1 * US),
        Device("pim", "pim", batch=3),
        cores=2,
    ),
    weight_bytes=100,
    size_bytes=10,
)
CPU, PIM = TABLE.machine.devices
NS = Definition(TABLE, 1e-9, "schedules with contiguous stages")
A, AB = frozenset({0}), frozenset({0, 1})


def test_sets_of_nodes() -> None:
    assert [sorted(ideal) for ideal in NS.ideals] == [[], [0], [0, 1], [0, 1, 2]]


def test_a_call() -> None:
    stage = NS.stage(A, AB)
    assert (stage.brought, stage.taken) == ({"a"}, {"b"})
    assert (stage.ticks(CPU), stage.ticks(PIM)) == (9_000, 1_000 + 3 * (2_000 + 2_000))
    assert NS.stage(frozenset(), A).ticks(PIM) is None


@pytest.mark.parametrize(("period_us", "replicas"), [(10, 1), (9, 2), (4.5, 3), (4, 3)])
def test_replicas_for_a_shorter_period(period_us: float, replicas: int) -> None:
    stage = NS.stage(A, AB)
    assert stage.replicas(0, CPU, Fraction(round(period_us * 1000))) == replicas
    assert stage.units(0, CPU, replicas) == replicas


def test_amounts() -> None:
    stage = NS.stage(A, AB)
    latency, memory, weights = Limit("latency", 1.0), Limit("memory", 1), Limit("weights", 1)
    assert stage.amount(latency, PIM, 1, wait=500) == 13_000 + 2 * 500
    assert stage.amount(memory, CPU, 2, wait=0) == 100 + 2 * (10 + 10)
    assert stage.amount(memory, PIM, 1, wait=0) == 3 * (10 + 10)
    assert (stage.amount(weights, CPU, 2, 0), stage.amount(weights, PIM, 1, 0)) == (100, 0)


def test_limits_in_ticks() -> None:
    assert NS.allowed(Limit("latency", 20 * US)) == 20_000
    assert NS.allowed(Limit("memory", 77)) == 77
