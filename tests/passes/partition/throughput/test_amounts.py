"""What stages take of what is limited."""

from dataclasses import replace

import numpy as np
import pytest

from stagecut.compiler.ir.costs import Budget
from stagecut.compiler.ir.errors import CostTableError
from stagecut.compiler.ir.machine import Device
from stagecut.compiler.ir.stream_certificate import Limit
from stagecut.passes.partition.orders.precedence import Precedence
from stagecut.passes.partition.throughput.amounts import BEYOND, Amounts, limits_of
from stagecut.passes.partition.throughput.lattice import Lattice
from stagecut.passes.partition.throughput.model import Calls, StreamCosts
from stagecut.passes.partition.throughput.probe import Part
from tests.support.streams import heavy, stream_table

US = 1e-6
TABLE = heavy(
    stream_table(
        "a: cpu 4\n b(a): cpu 8, pim 1\n c(b): cpu 1",
        Device("cpu", "host", resource="cores"),
        Device("pim", "pim", batch=3),
        cores=2,
    ),
    weight_bytes=100,
    size_bytes=10,
    capacity_bytes=250,
)
COSTS = StreamCosts.of(TABLE)
CALLS = Calls(COSTS, Lattice.of(Precedence.of(TABLE)))
WAIT = round(5 * US / COSTS.tick_s)
LIMITS = (Limit("latency", 20 * US), Limit("memory", 500), Limit("weights", 250))
AMOUNTS = Amounts(CALLS, LIMITS, WAIT)


def test_of_stages() -> None:
    """To {a, b}, from {} and from {a}, with two replicas on the cpu and one on the pim."""
    taken = AMOUNTS.of(2, np.array([[2, 1], [2, 1]]))
    latency_us = taken[:, :, 0] * COSTS.tick_s / US
    assert np.allclose(latency_us[:, 0], [12, 8])
    assert np.isclose(latency_us[1, 1], 1 + 3 * (2 + 2) + 2 * 5)  # both ways, and two waits
    assert taken[:, 0, 1].tolist() == [200 + 2 * 10, 100 + 2 * (10 + 10)]
    assert taken[1, 1, 1] == 3 * (10 + 10)  # its weights lie elsewhere
    assert taken[:, 0, 2].tolist() == [200, 100]


def test_what_is_exceeded() -> None:
    whole = (Part(0, 3, 0, 1),)
    split = (Part(0, 1, 0, 1), Part(1, 2, 1, 1), Part(2, 3, 0, 1))
    assert AMOUNTS.exceeded(whole) == (LIMITS[2],)  # 300 bytes of weights
    assert AMOUNTS.exceeded(split) == (LIMITS[0],)  # 4 + (13 + 10) + 1 us


def test_more_than_numbers_hold_is_beyond_any_limit() -> None:
    taken = AMOUNTS.of(2, np.full((2, 2), 1 << 47))
    assert (taken[0, 0, 1], taken[1, 1, 1]) == (BEYOND, BEYOND)


def test_of_budgets() -> None:
    """To {a, b}, from {} and from {a}: the pim shares a call among three inputs."""
    table = replace(
        TABLE,
        nodes=tuple(
            replace(
                node,
                run_j=dict.fromkeys(node.run_s, 6.0),
                uses={"wear": dict.fromkeys(node.run_s, 0.5)},
            )
            for node in TABLE.nodes
        ),
        values=tuple(
            replace(each, transfer_j=dict.fromkeys(each.transfer_s, 0.25)) for each in TABLE.values
        ),
        budgets=(Budget("wear", 2.0),),
    )
    calls = Calls(StreamCosts.of(table), Lattice.of(Precedence.of(table)))
    limits = limits_of(table, (Limit("energy", 12.0),))
    amounts = Amounts(calls, limits, 0)
    assert [limit.name for limit in limits] == ["energy", "weights", "wear"]
    taken = amounts.of(2, np.array([[2, 1], [2, 1]]))
    energy_j = taken[:, :, 0] * amounts.unit(limits[0])
    assert energy_j[:, 0].tolist() == [12.0, 6.0]
    assert energy_j[1, 1] == 6.0 / 3 + 2 * 0.25
    assert (taken[:, 0, 2] * amounts.unit(limits[2])).tolist() == [1.0, 0.5]
    assert amounts.exceeded((Part(0, 3, 0, 1),)) == (limits[0], limits[1])


def test_energies_have_to_be_known_where_they_are_limited() -> None:
    with pytest.raises(CostTableError, match="energy is needed"):
        limits_of(TABLE, (Limit("energy", 1.0),))


def test_limits_of_a_table() -> None:
    asked = (Limit("latency", 1.0), Limit("memory", 1e30))
    assert limits_of(TABLE, asked) == (asked[0], Limit("weights", 250))
