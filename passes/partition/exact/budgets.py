"""Budgets that an assignment might exceed: put a price on each unit (Lagrangian relaxation).

A limit on a sum over all nodes (bytes of a memory, joules, error) makes every node a neighbour of
every other, which elimination cannot cope with. With a price per unit in place of the limit it can,
and

    dual(prices) = least value at these prices - sum over budgets of price * limit

is no more than what any assignment costs that keeps all budgets, whatever the prices. It is
concave, so the prices at which it is highest are found with cutting planes (Kelley, J. SIAM 8,
1960): every assignment met on the way bounds it from above by a plane. Assignments that keep the
budgets are primal solutions.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stagecut.passes.partition.exact.factor_graph import Bools, Floats, Ints
from stagecut.passes.partition.exact.problem import Problem

#: Rounds at most; each is one elimination.
_ROUNDS = 50

#: The highest price: using each budget up may cost this many times the total without prices.
_HIGHEST_PRICE = 1e4

#: A relative difference this small is rounding.
_ROUNDING = 1e-10

#: What devices (N,) use of each budget (B,), transfers included.
Uses = Callable[[Ints], Floats]


@dataclass(frozen=True, slots=True)
class Primal:
    """The cheapest assignment at some prices: its own value, and what it uses of the budgets."""

    devices: Ints
    value: float
    used: Floats


@dataclass(frozen=True, slots=True)
class Dual:
    """No assignment that keeps the budgets costs less than `bound`, which `prices` (B,) prove.

    `primals` are the different assignments met on the way that keep them, the cheapest first.
    """

    bound: float
    prices: Floats
    primals: tuple[Primal, ...]


def lagrangian(problem: Problem, uses: Uses) -> Dual:
    """The highest bound, and the assignments that are cheapest at the prices tried on the way.

    `uses` says what an assignment uses of each budget, transfers included.
    """
    met: list[Primal] = []
    limits = problem.arrays.limits
    prices, bound, ceiling = np.zeros(len(limits)), -math.inf, math.inf
    best_prices = prices
    for _ in range(_ROUNDS):
        devices, total = problem.cheapest(prices)
        used = uses(devices)
        met.append(Primal(devices, total - float(prices @ used), used))
        reached = total - float(prices @ limits)
        if reached > bound:
            bound, best_prices = reached, prices
        if ceiling - bound <= _ROUNDING * abs(bound):
            break
        prices, ceiling = _next_prices(met, limits)
    keeping = sorted(
        (primal for primal in met if (primal.used <= limits).all()),
        key=lambda primal: primal.value,
    )
    return Dual(bound, best_prices, tuple(keeping))


def reduced_cost_fixing(problem: Problem, dual: Dual, ceiling: float) -> Bools:
    """(N, D): whether no schedule that costs less than `ceiling` has the node on the device."""
    at_least = problem.marginals(dual.prices) - float(dual.prices @ problem.arrays.limits)
    fixed: Bools = at_least > ceiling + _ROUNDING * abs(ceiling)
    return fixed


def _next_prices(met: Sequence[Primal], limits: Floats) -> tuple[Floats, float]:
    """The prices at which the planes of all assignments meet highest, and how high that is.

    Solved in units in which the first assignment costs 1 and uses, or may use, 1 of each budget.
    """
    cost = abs(met[0].value) or 1.0
    scale = np.maximum(met[0].used, limits)
    scale = np.where(scale > 0, scale, 1.0)
    over = np.array([(primal.used - limits) / scale for primal in met])
    planes = np.column_stack((-over, np.ones(len(met))))
    heights = np.array([primal.value / cost for primal in met])
    highest = np.zeros(planes.shape[1])
    highest[-1] = -1.0
    bounds = [*[(0.0, _HIGHEST_PRICE)] * len(limits), (None, None)]
    from scipy.optimize import linprog  # here: it takes half a second to load

    solved = linprog(highest, A_ub=planes, b_ub=heights, bounds=bounds, method="highs")
    if solved.x is None:
        raise AssertionError(f"the dual problem has no prices: {solved.message}")
    return solved.x[:-1] * cost / scale, float(solved.x[-1]) * cost
