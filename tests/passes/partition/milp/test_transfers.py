"""Transfers in the integer program: right for whole assignments, and tight between them."""

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp
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
    rows, columns, factors = (np.array(each) for each in zip(*program.entries, strict=True))
    matrix = csr_array((factors, (rows, columns)))
    kept = LinearConstraint(matrix, np.array(program.lower), np.inf)
    found = milp(program.prices, bounds=Bounds(0.0, program.upper), constraints=kept)
    assert found.fun is not None
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
