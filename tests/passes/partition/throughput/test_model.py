"""What a call of a stage takes, in ticks."""

import pytest

from stagecut.compiler.ir.machine import Device
from stagecut.passes.partition.orders.precedence import Precedence
from stagecut.passes.partition.throughput.lattice import Lattice
from stagecut.passes.partition.throughput.model import Calls, StreamCosts
from tests.support.streams import stream_table

US = 1e-6
TABLE = stream_table(
    "a: cpu 4\n b(a): cpu 8, pim 1\n c(a, b): cpu 1",
    Device("cpu", "host", stage_s=3 * US),
    Device("pim", "pim", batch=2),
)


def test_calls_of_the_last_stages() -> None:
    costs = StreamCosts.of(TABLE)
    calls = Calls(costs, Lattice.of(Precedence.of(TABLE)))
    ticks, able = calls.to(2)  # {a, b}, from {} and from {a}
    assert (ticks[:, 0] * costs.tick_s / US).tolist() == pytest.approx([15, 11])
    assert able[:, 0].all()
    assert able[:, 1].tolist() == [False, True]
    assert ticks[1, 1] * costs.tick_s / US == pytest.approx(1 + 2 * (2 + 2))  # %a there, %b back
