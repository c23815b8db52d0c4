"""Transfers in the integer program: right for whole assignments, and tight between them."""

import pytest
from scipy.optimize import linprog
from scipy.sparse import csr_array

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.objective import LATENCY
from stagecut.passes.partition.milp.milp import Milp
from stagecut.passes.partition.milp.model import partition_program
from tests.support.synthetic_tables import ladder
from tests.support.tables import cheapest_of_all, seeded_table


def _relaxed(table: CostTable) -> float:
    """The least of the program when half a node may run here and half of it there."""
    program = partition_program(table, LATENCY).program
    rows, columns, factors = zip(*program.entries, strict=True)
    matrix = csr_array((factors, (rows, columns)))
    at_most = [-lower for lower in program.lower]
    ends = [(0.0, upper) for upper in program.upper]
    found = linprog(program.prices, A_ub=-matrix, b_ub=at_most, bounds=ends)
    return float(found.fun)


def test_nothing_is_left_to_branch_on_in_a_ladder() -> None:
    """The plain rows alone come to 26.56 ms, with halves of nodes here and there."""
    table = ladder(6, 30)
    assert _relaxed(table) == pytest.approx(Milp()(table).total_s, rel=1e-9)


def test_three_memories_and_more_against_brute_force() -> None:
    tried = 0
    for seed in range(150):
        table = seeded_table(seed, max_nodes=5, min_memories=3, starts=0.0)
        least = cheapest_of_all(table)
        if least is None:
            with pytest.raises(UnplaceableError):
                Milp()(table)
            continue
        tried += 1
        found = Milp()(table).certificate
        assert found.exact
        assert found.total == pytest.approx(least, abs=1e-9)
    assert tried > 50
