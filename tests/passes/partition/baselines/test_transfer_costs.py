"""What baselines take a transfer to cost: nothing in a memory, all of its way elsewhere."""

from math import inf

import pytest

from stagecut.compiler.ir.errors import CostTableError
from stagecut.compiler.ir.objective import ENERGY, LATENCY
from stagecut.passes.partition.baselines.transfer_costs import TransferCosts
from tests.support.tables import US, cost_table

TABLE = cost_table(
    "a: cpu 1",
    devices={"cpu": "host", "pim": "pim", "npu": "npu"},
    transfer_us={"host>pim": 2, "pim>npu": 3},
)

CASES = {
    "nothing inside a memory": ("host", "host", 0),
    "a direct way": ("host", "pim", 2),
    "a chain of ways": ("host", "npu", 5),
    "no way at all": ("npu", "host", inf),
}


@pytest.mark.parametrize(("source", "target", "us"), CASES.values(), ids=CASES.keys())
def test_price(source: str, target: str, us: float) -> None:
    assert TransferCosts(TABLE, LATENCY).price("a", source, target) == pytest.approx(us * US)


def test_energies_must_be_known_where_they_count() -> None:
    with pytest.raises(CostTableError) as error:
        TransferCosts(TABLE, ENERGY)
    assert error.value.where == "nodes[0].run_j.cpu"
