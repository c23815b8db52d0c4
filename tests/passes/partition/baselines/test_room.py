"""What baselines leave room for: nothing that they place is refused by the account."""

from dataclasses import replace
from itertools import product

import pytest

from stagecut.compiler.ir.costs import ENERGY, Budget, CostTable
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.machine import Memory
from stagecut.passes.partition.baselines.chain import Chain
from stagecut.passes.partition.baselines.greedy import Greedy
from stagecut.passes.partition.baselines.priority import Priority
from stagecut.passes.partition.baselines.room import Room
from stagecut.passes.partition.partition import Partition
from tests.support.tables import cost_table, placed

#: Everything is fastest on pim, where two of the three nodes fit.
PLAIN = cost_table("a: cpu 9, pim 1\n b(a): cpu 9, pim 1\n c(b): cpu 9, pim 1")


def _weights(table: CostTable, room_bytes: int, capacity_bytes: int = 200) -> CostTable:
    nodes = tuple(replace(node, weight_bytes=room_bytes) for node in table.nodes)
    memories = (Memory("host"), Memory("pim", capacity_bytes))
    return replace(table, nodes=nodes, machine=replace(table.machine, memories=memories))


METHODS = {"greedy": Greedy(), "priority": Priority(("pim", "cpu")), "chain": Chain()}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
def test_a_full_memory_is_passed_over(method: Greedy | Priority | Chain) -> None:
    everywhere = "pim: a, b, c"
    assert method(PLAIN).assignment.devices == placed(everywhere).devices
    assert method(_weights(PLAIN, 100, 300)).assignment.devices == placed(everywhere).devices
    found = method(_weights(PLAIN, 100))
    assert found.assignment.devices == placed("pim: a, b; cpu: c").devices
    assert found.account.uses["bytes in pim"] == 200
    assert found.certificate.total >= Partition()(_weights(PLAIN, 100)).certificate.total


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
def test_a_budget_of_the_table_is_kept(method: Greedy | Priority | Chain) -> None:
    uses = {"area": {"pim": 1.0}}
    nodes = tuple(replace(node, uses=uses) for node in PLAIN.nodes)
    table = replace(PLAIN, nodes=nodes, budgets=(Budget("area", 1.0),))
    assert method(table).assignment.devices == placed("pim: a; cpu: b, c").devices


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
def test_where_nothing_has_room_it_says_so(method: Greedy | Priority | Chain) -> None:
    table = _weights(cost_table("a: pim 1\n b(a): pim 1\n c(b): pim 1"), 100)
    with pytest.raises(UnplaceableError, match="has room left") as error:
        method(table)
    assert error.value.where == "node c (Op)"
    assert error.value.fix.startswith("raise a capacity")


def test_what_takes_nothing_always_fits() -> None:
    table = _weights(PLAIN, 0, 0)
    room = Room(table)
    assert all(room.fits({}, node, name) for node, name in product(table.nodes, ("cpu", "pim")))
    energy = replace(table, budgets=(Budget(ENERGY, 0.0),))
    assert Room(energy).fits({}, table.nodes[0], "pim")
