"""The least that pipelines take, in every respect."""

from fractions import Fraction

import numpy as np

from stagecut.compiler.ir.machine import Device
from stagecut.compiler.ir.stream_certificate import Limit
from stagecut.passes.partition.orders.precedence import Precedence
from stagecut.passes.partition.throughput.amounts import Amounts
from stagecut.passes.partition.throughput.labels import LabelProbe, _minimal
from stagecut.passes.partition.throughput.lattice import Lattice
from stagecut.passes.partition.throughput.model import Calls, StreamCosts
from stagecut.passes.partition.throughput.probe import Part, Probe
from tests.support.streams import stream_table

US = 1e-6
TABLE = stream_table(
    "a: t1 8, t2 6\n b(a): t1 8, t2 6",
    Device("t1", "host", resource="cores"),
    Device("t2", "host", resource="cores", cores=2),
    cores=4,
)
COSTS = StreamCosts.of(TABLE)
CALLS = Calls(COSTS, Lattice.of(Precedence.of(TABLE)))
PERIOD = Fraction(round(8 * US / COSTS.tick_s))


def _probe(latency_us: float, *further: Limit, most_labels: int = 1000) -> LabelProbe:
    limits = (Limit("latency", latency_us * US), *further)
    return LabelProbe(Probe(CALLS), Amounts(CALLS, limits, 0), 0, most_labels)


def _in_us(rows: np.ndarray) -> list[list[int]]:
    return [[units, round(ticks * COSTS.tick_s / US)] for units, ticks in rows.tolist()]


def test_labels() -> None:
    """16 us on two cores, 14 on three, or 12 on four: as two stages; and what is left after {a}."""
    labels = _probe(20).potentials(PERIOD, strict=False)
    assert [_in_us(labels.at(ideal)) for ideal in (0, 1, 2)] == [
        [[0, 0]],
        [[1, 8], [2, 6]],
        [[2, 16], [3, 14], [4, 12]],
    ]
    assert _in_us(labels.rest) == [[2, 12], [1, 6], [0, 0]]


def test_what_leaves_too_little_goes() -> None:
    labels = _probe(13).potentials(PERIOD, strict=False)
    assert [_in_us(labels.at(ideal)) for ideal in (0, 1, 2)] == [[[0, 0]], [[2, 6]], [[4, 12]]]


def test_nothing_is_left_where_nothing_keeps_to_the_limit() -> None:
    probe = _probe(11)
    labels = probe.potentials(PERIOD, strict=False)
    assert not probe.can_keep(labels)
    assert len(labels.rows) == 0  # what all nodes take is more than there is
    assert labels.complete


def test_parts_take_the_fewest_units() -> None:
    probe = _probe(15)
    labels = probe.potentials(PERIOD, strict=False)
    assert probe.parts(labels, PERIOD, strict=False) == (Part(0, 1, 1, 1), Part(1, 2, 0, 1))


def test_with_several_limits_some_labels_may_go() -> None:
    further = Limit("memory", 1e6)
    whole = _probe(20, further).potentials(PERIOD, strict=False)
    some = _probe(20, further, most_labels=1).potentials(PERIOD, strict=False)
    assert (whole.complete, some.complete) == (True, False)
    assert len(some.last) == 1


def test_minimal() -> None:
    rows = np.array([[2, 5], [1, 9], [2, 7], [3, 5], [1, 9], [4, 1]])
    assert _minimal(rows).tolist() == [[1, 9], [2, 5], [4, 1]]
    wide = np.array([[2, 5, 0], [1, 9, 0], [2, 5, 1], [2, 6, 0], [1, 9, 0], [2, 4, 3]])
    assert _minimal(wide).tolist() == [[1, 9, 0], [2, 4, 3], [2, 5, 0]]
    assert _minimal(wide[:0]).tolist() == []
