"""The methods side by side: what they prove is true, and nothing beats the exact one."""

import pytest
from hypothesis import given

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import StagecutError
from stagecut.compiler.ir.objective import LATENCY
from stagecut.compiler.ir.standing import nobody
from stagecut.passes.partition.baselines.chain import Chain
from stagecut.passes.partition.baselines.greedy import Greedy
from stagecut.passes.partition.baselines.methods import METHODS, Method, every_method, timed
from stagecut.passes.partition.baselines.priority import Priority
from stagecut.passes.partition.baselines.single import Single
from stagecut.passes.partition.partition import Partition
from tests.support.tables import US, cost_table, cost_tables

TABLE = cost_table("a: cpu 3, gang 2\n b(a): cpu 1, gang 2, pim 1")


def test_every_method_by_name() -> None:
    assert [*METHODS] == ["optimal", "milp", "chain", "greedy", "priority", "single"]
    totals_us = {
        name: make(LATENCY, 60.0, ("gang",), nobody)(TABLE).total_s / US
        for name, make in METHODS.items()
    }
    assert totals_us == pytest.approx(
        {"optimal": 3, "milp": 3, "chain": 3, "greedy": 3, "priority": 4, "single": 4}
    )


def test_all_of_them_each_device_alone_and_first() -> None:
    solved = {each.method: each for each in every_method(TABLE, LATENCY, 60.0)}
    devices = ("cpu", "gang", "pim")
    names = [f"{kind} {device}" for kind in ("priority", "single") for device in devices]
    assert [*solved] == ["optimal", "milp", "chain", "greedy", *names]
    assert all((each.solution is None) != (each.refusal is None) for each in solved.values())
    assert "pim cannot run it" in str(solved["single pim"].refusal)


def test_a_solution_and_how_long_it_took() -> None:
    solution, solve_s = timed(Greedy(), TABLE)
    assert solution == Greedy()(TABLE)
    assert solve_s >= 0


@pytest.mark.parametrize("method", [Single(), Priority(), Greedy(), Chain()], ids=repr)
@given(table=cost_tables())
def test_nothing_beats_the_exact_method(method: Method, table: CostTable) -> None:
    try:
        found = method(table)
    except StagecutError:
        return
    best = Partition()(table)
    assert found.certificate.lower_bound <= best.total_s * (1 + 1e-12)
    assert best.total_s <= found.total_s * (1 + 1e-12)
    assert not found.certificate.exact or found.total_s == pytest.approx(best.total_s)
