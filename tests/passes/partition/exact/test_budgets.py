"""Prices on budgets: a bound from below, what keeps the budgets, and what can be ruled out."""

import math
from dataclasses import replace
from functools import partial
from random import Random

import numpy as np
import pytest

from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.costs import Budget, CostTable, with_energy_limit
from stagecut.compiler.ir.errors import AssignmentError, ScheduleError, UnplaceableError
from stagecut.compiler.ir.machine import Memory
from stagecut.compiler.ir.objective import ENERGY, LATENCY, Objective
from stagecut.passes.partition.exact.arrays import table_arrays
from stagecut.passes.partition.exact.budgets import lagrangian, reduced_cost_fixing
from stagecut.passes.partition.exact.model import Starts
from stagecut.passes.partition.exact.problem import Problem, may_exceed, used
from stagecut.passes.partition.milp.milp import Milp
from stagecut.passes.partition.partition import Partition
from tests.support.tables import (
    US,
    cheapest_of_all,
    cost_table,
    every_assignment,
    scheduled_by,
    seeded_table,
)

#: Each on pim is 2 us faster and uses 1 of the budget.
THREE = cost_table("a: cpu 3, pim 1\n b: cpu 3, pim 1\n c: cpu 3, pim 1", transfer_us=0)


def _named(limit: float) -> CostTable:
    uses = {"error": {"pim": 1.0}}
    nodes = tuple(replace(node, uses=uses) for node in THREE.nodes)
    return replace(THREE, nodes=nodes, budgets=(Budget("error", limit),))


@pytest.mark.parametrize(("limit", "total_us"), [(0, 9), (1, 7), (1.5, 7), (2, 5), (3, 3)])
def test_a_named_budget_is_kept_at_the_least_cost(limit: float, total_us: float) -> None:
    best = Partition()(_named(limit))
    assert best.total_s == pytest.approx(total_us * US)
    assert best.account.uses["error"] <= limit
    assert best.certificate.exact


def _with_energies(transfer_j: float = 1.0) -> CostTable:
    """a on cpu takes 3 us and 1 J, on pim 1 us and 5 J; b wants it on cpu."""
    drawn = cost_table("a: cpu 3, pim 1\n b(a): cpu 1", transfer_us=0.5)
    joules = {"cpu": 1.0, "pim": 5.0}
    routes = drawn.values[0].transfer_s
    return replace(
        drawn,
        nodes=tuple(
            replace(node, run_j={device: joules[device] for device in node.run_s})
            for node in drawn.nodes
        ),
        values=tuple(
            replace(value, transfer_j=dict.fromkeys(routes, transfer_j)) for value in drawn.values
        ),
    )


#: Limit of joules, what transferring a value takes, microseconds of the best schedule.
ENERGIES = {
    "there is enough for everything": (7.0, 1.0, 2.5),
    "not enough for pim": (6.9, 1.0, 4.0),
    "enough but for the transfer": (6.0, 0.5, 4.0),
    "enough for a cheap transfer": (6.0, 0.0, 2.5),
    "just enough for the frugal one": (2.0, 1.0, 4.0),
}


@pytest.mark.parametrize(("limit_j", "transfer_j", "us"), ENERGIES.values(), ids=ENERGIES.keys())
def test_a_budget_of_energy_counts_transfers(limit_j: float, transfer_j: float, us: float) -> None:
    best = Partition()(with_energy_limit(_with_energies(transfer_j), limit_j))
    assert best.total_s == pytest.approx(us * US)
    assert best.total_j is not None
    assert best.total_j <= limit_j
    assert best.certificate.exact


#: A table that nothing fits, where that is said, and by how much.
INFEASIBLE = {
    "a named budget": (
        replace(
            _named(0.5),
            nodes=tuple(replace(n, run_s={"pim": 1 * US}) for n in _named(0.5).nodes),
        ),
        "budget error",
        "exceeds error by 2.5",
    ),
    "energy": (
        with_energy_limit(_with_energies(), 1.5),
        "budget energy",
        "exceeds energy by 500 mJ",
    ),
    "the second of two budgets": (
        replace(
            _named(0.5),
            nodes=tuple(replace(n, run_s={"pim": 1 * US}) for n in _named(0.5).nodes),
            budgets=(Budget("heat", 1.0), Budget("error", 1.0)),
        ),
        "budget error",
        "exceeds error by 2",
    ),
}


@pytest.mark.parametrize(("table", "where", "problem"), INFEASIBLE.values(), ids=INFEASIBLE.keys())
@pytest.mark.parametrize("method", [Partition(), Milp()], ids=["partition", "milp"])
def test_a_budget_that_cannot_be_kept_says_by_how_much(
    table: CostTable, where: str, problem: str, method: Partition | Milp
) -> None:
    with pytest.raises(UnplaceableError) as error:
        method(table)
    assert error.value.problem.endswith(problem)
    assert error.value.where == where
    assert error.value.fix


def _limited(seed: int, *, starts: float, energy: bool = True) -> CostTable:
    """A random table with one or two budgets that are tight: somewhere between what the frugal
    and what the fast use."""
    table = seeded_table(seed, max_nodes=5, starts=starts)
    random = Random(seed)  # noqa: S311
    names = ["error", "heat"][: random.randint(1, 2)]
    nodes = tuple(
        replace(
            node,
            uses={
                name: {device: float(random.randint(0, 4)) for device in node.run_s}
                for name in names
            },
        )
        for node in table.nodes
    )
    spent = 2.0 * len(nodes)
    budgets = tuple(Budget(name, random.uniform(0.6, 1.4) * spent) for name in names)
    if energy and random.random() < 0.4:
        budgets = (*budgets, Budget("energy", random.uniform(1.0, 3.0) * spent))
    return replace(table, nodes=nodes, budgets=budgets)


#: What starting stages takes, whether joules are limited, too, and how many of 100 are exact at
#: the least: what transfers use is not followed where the order has to be searched.
MIXES = {
    "free starts": (0.0, True, 100),
    "starts": (1.0, False, 95),
    "starts and energy": (1.0, True, 75),
}


@pytest.mark.no_cover
@pytest.mark.parametrize("objective", [LATENCY, ENERGY, Objective(1.0, 0.5)], ids=str)
@pytest.mark.parametrize(("starts", "energy", "share"), MIXES.values(), ids=MIXES.keys())
def test_brute_force_agrees(objective: Objective, starts: float, energy: bool, share: int) -> None:
    """One or two budgets of one's own, over all assignments and all orders."""
    exact = []
    for seed in range(80):
        table = _limited(seed, starts=starts, energy=energy)
        least = cheapest_of_all(table, objective)
        if least is None:
            with pytest.raises(UnplaceableError):
                Partition(objective)(table)
            continue
        certificate = Partition(objective)(table).certificate
        assert certificate.lower_bound <= least + 1e-9
        assert certificate.total >= least - 1e-9
        assert not certificate.exact or certificate.total == pytest.approx(least, abs=1e-9)
        exact.append(certificate.exact)
    assert len(exact) > 30
    assert 100 * sum(exact) >= share * len(exact)


def test_the_second_opinion_agrees() -> None:
    for seed in range(100):
        table = _limited(seed, starts=0.0)
        try:
            found = Milp()(table).certificate
        except UnplaceableError:
            assert cheapest_of_all(table) is None
            continue
        assert found.exact
        assert found.total == pytest.approx(Partition()(table).certificate.total, abs=1e-9)


def _problem(table: CostTable) -> Problem:
    problem = Problem.prepare(table_arrays(table, LATENCY), Starts.none())
    assert problem is not None
    return problem


def test_the_bound_of_the_prices_is_below_what_keeps_the_budgets() -> None:
    table = _named(1.5)
    problem = _problem(table)
    dual = lagrangian(problem, partial(used, problem.arrays))
    assert 6 * US - 1e-12 <= dual.bound <= 7 * US
    assert dual.primals
    assert all((primal.used <= 1.5).all() for primal in dual.primals)
    values = [primal.value for primal in dual.primals]
    assert values == sorted(values)


def test_what_is_ruled_out_is_part_of_nothing_cheaper() -> None:
    ruled_out_somewhere = 0
    for seed in range(100):
        table = replace(_limited(seed, starts=0.0))
        table = replace(table, budgets=tuple(b for b in table.budgets if b.name != "energy"))
        least = cheapest_of_all(table)
        if least is None or not table.nodes:
            continue
        problem = _problem(table)
        if math.isinf(problem.cheapest()[1]):
            continue
        dual = lagrangian(problem, partial(used, problem.arrays))
        ruled_out = reduced_cost_fixing(problem, dual, least)
        names = [device.name for device in table.machine.devices]
        for assignment in every_assignment(table):
            try:
                found = account(table, scheduled_by(table, assignment, LATENCY))
            except (AssignmentError, ScheduleError):
                continue
            if found.latency_s < least * (1 - 1e-9) or found.latency_s > least * (1 + 1e-9):
                continue
            for at, node in enumerate(assignment):
                assert not ruled_out[at, names.index(assignment[node])]
        able = np.array([[name in node.run_s for name in names] for node in table.nodes])
        ruled_out_somewhere += bool((ruled_out & able).any())
    assert ruled_out_somewhere > 20


def test_whether_a_budget_can_be_exceeded_at_all() -> None:
    assert may_exceed(table_arrays(_named(2.5), LATENCY))
    assert not may_exceed(table_arrays(_named(3.0), LATENCY))
    assert not may_exceed(table_arrays(THREE, LATENCY))
    frugal = _with_energies()
    assert may_exceed(table_arrays(with_energy_limit(frugal, 6.0), LATENCY))
    assert not may_exceed(table_arrays(with_energy_limit(frugal, 100.0), LATENCY))


def test_a_budget_and_a_capacity_at_once() -> None:
    table = _named(2.0)
    machine = replace(table.machine, memories=(Memory("host"), Memory("pim", 60)))
    nodes = tuple(replace(node, weight_bytes=60) for node in table.nodes)
    best = Partition()(replace(table, machine=machine, nodes=nodes))
    assert best.total_s == pytest.approx(7 * US)
    assert sum(device == "pim" for device in best.assignment.devices.values()) == 1
