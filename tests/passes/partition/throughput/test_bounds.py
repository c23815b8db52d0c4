"""Bounds on the period of any schedule."""

import pytest

from stagecut.compiler.ir.machine import Device
from stagecut.passes.partition.throughput.bounds import least_period
from stagecut.passes.partition.throughput.model import StreamCosts
from tests.support.streams import stream_table

US = 1e-6
CORE = Device("cpu", "host", resource="cores")
LITTLE = Device("little", "host", resource="little")

CASES = {
    "work shared by all cores": (stream_table("a: cpu 4\n b(a): cpu 8", CORE, cores=4), 3.0),
    "two kinds of cores share it as well as they can": (
        stream_table("a: cpu 4, little 4\n b: cpu 4, little 4", CORE, LITTLE, cores=1, little=1),
        4.0,
    ),
    "a call is as long as its start and its node": (
        stream_table("a: cpu 4", Device("cpu", "host", stage_s=2 * US, resource="c"), c=2),
        3.0,
    ),
    "no time at all": (stream_table("a: cpu 0", CORE, LITTLE, cores=1, little=1), 0.0),
}


@pytest.mark.parametrize(("table", "period_us"), CASES.values(), ids=CASES.keys())
def test_bounds(table: object, period_us: float) -> None:
    costs = StreamCosts.of(table)  # type: ignore[arg-type]
    assert least_period(costs) * costs.tick_s == pytest.approx(period_us * US, rel=0.02)
