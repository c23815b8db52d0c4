"""The integer program says the same as the elimination, which it shares no code with."""

import re
from dataclasses import replace
from itertools import cycle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.machine import Memory
from stagecut.compiler.ir.objective import ENERGY, LATENCY, Objective
from stagecut.passes.partition.milp.milp import Milp
from stagecut.passes.partition.partition import Partition
from tests.support.synthetic_tables import transformer
from tests.support.tables import US, cost_table, cost_tables, in_one_order, seeded_table

OBJECTIVES = (LATENCY, ENERGY, Objective(per_s=1.0, per_j=0.5))


@settings(max_examples=50)
@given(cost_tables(max_nodes=10, starts=0.0), st.sampled_from(OBJECTIVES))
def test_small_tables(table: CostTable, objective: Objective) -> None:
    _same(table, objective)


@pytest.mark.no_cover
@pytest.mark.parametrize(("seed", "objective"), zip(range(20), cycle(OBJECTIVES), strict=False))
def test_random_tables_of_some_hundred_nodes(seed: int, objective: Objective) -> None:
    _same(seeded_table(seed, min_nodes=200, max_nodes=400, starts=0.0), objective)


@pytest.mark.no_cover
@pytest.mark.parametrize(("seed", "objective"), zip(range(10), cycle(OBJECTIVES), strict=False))
def test_tables_that_start_stages_and_have_one_order(seed: int, objective: Objective) -> None:
    table = seeded_table(seed, min_nodes=200, max_nodes=400, starts=1.0)
    _same(in_one_order(table), objective)


@pytest.mark.parametrize("stage_us", [0, 50])
def test_residual_blocks_of_some_hundred_nodes(stage_us: float) -> None:
    _same(in_one_order(transformer(300, stage_s=stage_us * US)), LATENCY)


def _same(table: CostTable, objective: Objective) -> None:
    try:
        proven = Partition(objective)(table).certificate
    except UnplaceableError as refused:
        with pytest.raises(UnplaceableError, match=re.escape(refused.problem)):
            Milp(objective)(table)
        return
    found = Milp(objective)(table).certificate
    assert found.exact
    assert found.total == pytest.approx(proven.total, abs=1e-9)
    assert found.lower_bound == pytest.approx(proven.lower_bound, abs=1e-9)


@settings(max_examples=50)
@given(cost_tables(max_nodes=10, starts=1.0))
def test_where_the_order_matters_each_is_within_the_bounds_of_the_other(table: CostTable) -> None:
    """The program counts the starts along one path only: its bound is for every order."""
    try:
        proven = Partition()(table).certificate
    except UnplaceableError:
        return
    found = Milp()(table).certificate
    assert found.lower_bound <= proven.total * (1 + 1e-9)
    assert proven.lower_bound <= found.total * (1 + 1e-9)
    assert not found.exact or found.total == pytest.approx(proven.total, abs=1e-9)


TIGHT = cost_table("a: cpu 9, pim 1\n b: cpu 9, pim 1\n c: pim 1")


def _limited(capacity_bytes: int) -> CostTable:
    memories = (Memory("host"), Memory("pim", capacity_bytes))
    return replace(
        TIGHT,
        machine=replace(TIGHT.machine, memories=memories),
        nodes=tuple(replace(node, weight_bytes=60) for node in TIGHT.nodes),
    )


def test_a_capacity_is_kept() -> None:
    assert Milp()(_limited(120)).total_s == pytest.approx(11 * US)


def test_a_capacity_that_is_too_small() -> None:
    with pytest.raises(UnplaceableError, match="20 bytes in pim") as error:
        Milp()(_limited(40))
    assert error.value.where == "memories[1].capacity_bytes"


def test_too_little_time() -> None:
    with pytest.raises(UnplaceableError, match="within 1e-09 s"):
        Milp(limit_s=1e-9)(transformer(500))


def test_prices_of_next_to_nothing() -> None:
    assert Milp()(cost_table("a: cpu 1e-302")).total_s == pytest.approx(0)
