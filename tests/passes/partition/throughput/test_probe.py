"""Whether a period can be kept."""

from fractions import Fraction

from stagecut.compiler.ir.machine import Device
from stagecut.passes.partition.orders.precedence import Precedence
from stagecut.passes.partition.throughput.lattice import Lattice
from stagecut.passes.partition.throughput.model import Calls, StreamCosts
from stagecut.passes.partition.throughput.probe import Part, Probe
from tests.support.streams import stream_table

TABLE = stream_table(
    "a: cpu 4\n b(a): cpu 8, npu 2",
    Device("cpu", "host", resource="cores"),
    Device("npu", "host"),
    cores=3,
)
COSTS = StreamCosts.of(TABLE)
PROBE = Probe(Calls(COSTS, Lattice.of(Precedence.of(TABLE))))


def _ticks(time_us: float) -> Fraction:
    return Fraction(round(time_us * 1e-6 / COSTS.tick_s))


def test_units_by_ideal_and_by_what_others_may_be_used() -> None:
    """Columns: the npu not used, and used."""
    potentials = PROBE.potentials(_ticks(4), strict=False)
    assert potentials.tolist() == [[0, 0], [1, 1], [3, 1]]
    assert PROBE.can_keep(potentials)
    assert PROBE.parts(potentials, _ticks(4), strict=False) == (Part(0, 1, 0, 1), Part(1, 2, 1, 1))


def test_strictly_shorter_takes_more() -> None:
    potentials = PROBE.potentials(_ticks(4), strict=True)
    assert potentials.tolist() == [[0, 0], [2, 2], [4, 2]]


def test_a_period_that_takes_more_units_than_there_are() -> None:
    assert not PROBE.can_keep(PROBE.potentials(_ticks(1), strict=False))


def test_the_period_of_a_pipeline() -> None:
    assert PROBE.period((Part(0, 1, 0, 2), Part(1, 2, 1, 1))) == _ticks(4) / 2
