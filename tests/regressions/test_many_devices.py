"""More devices in one memory than fit a byte, each of which costs something to start.

Two hundred and fifty-seven were a bare OverflowError.
"""

import pytest

from stagecut.passes.partition.explain import Explain
from stagecut.passes.partition.milp.milp import Milp
from stagecut.passes.partition.partition import Partition
from tests.support.tables import US, cost_table


@pytest.mark.parametrize("count", [255, 256, 257, 300])
def test_the_cheapest_of_many(count: int) -> None:
    """The last device is the fastest; every node on it starts one stage."""
    devices = {f"d{at}": "host" for at in range(count)}
    costs = ", ".join(f"d{at} {2 if at < count - 1 else 1}" for at in range(count))
    table = cost_table(
        f"a: {costs}\n b(a): {costs}\n c(a): {costs}",
        devices=devices,
        stage_us=dict.fromkeys(devices, 1),
    )
    best = Partition()(table)
    assert set(best.assignment.devices.values()) == {f"d{count - 1}"}
    assert best.total_s == pytest.approx(4 * US)
    assert best.certificate.exact
    assert Milp()(table).total_s == pytest.approx(4 * US)


def test_each_of_them_is_explained() -> None:
    devices = {f"d{at}": "host" for at in range(257)}
    table = cost_table("a: " + ", ".join(f"d{at} {at + 1}" for at in range(257)), devices=devices)
    found = Explain()(table).by_node["a"]
    assert [each.extra / US for each in found] == pytest.approx([*range(257)])
