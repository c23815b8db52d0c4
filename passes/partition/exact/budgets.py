"""Memories that can fill up: put a price on each byte and bargain (Lagrangian relaxation).

Capacities tie all nodes together, which elimination cannot use. With a price per byte in place of
each limit it can, and

    least(prices) = least value at these prices - sum over memories of price * capacity

is below every assignment that fits, whatever the prices. It is concave, so the prices that bring
it highest are found with cutting planes (Kelley, J. SIAM 8, 1960): every assignment met on the way
bounds it from above by a plane. Those that fit are answers, the cheapest is kept.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from stagecut.passes.partition.exact.factor_graph import Bools, Floats, Ints
from stagecut.passes.partition.exact.problem import Problem

#: Rounds of bargaining at most; each is one elimination.
_ROUNDS = 50

#: All weights together may become this many times as dear as the whole plan without prices.
_DEAREST = 1e4

#: A relative difference this small is rounding.
_ROUNDING = 1e-10


@dataclass(frozen=True, slots=True)
class Offer:
    """The cheapest assignment at some prices: its own value and its weights (M,) in bytes."""

    devices: Ints
    value: float
    held: Floats


@dataclass(frozen=True, slots=True)
class Bargain:
    """No assignment that fits costs less than `bound`, which `byte_prices` (M,) prove.

    `best` is the cheapest offer that fits, None if none was met.
    """

    bound: float
    byte_prices: Floats
    best: Offer | None


def bargain(problem: Problem) -> Bargain:
    """The highest bound and the best assignment that bytes at a price lead to."""
    offers: list[Offer] = []
    room = problem.room
    prices, bound, ceiling = np.zeros(len(room)), -math.inf, math.inf
    best_prices = prices
    for _ in range(_ROUNDS):
        offer, total = _offer(problem, prices)
        offers.append(offer)
        reached = total - _worth(prices, room)
        if reached > bound:
            bound, best_prices = reached, prices
        if ceiling - bound <= _ROUNDING * abs(bound):
            break
        prices, ceiling = _next_prices(offers, room)
    fitting = [offer for offer in offers if (offer.held <= room).all()]
    best = min(fitting, key=lambda offer: offer.value, default=None)
    return Bargain(bound, best_prices, best)


def hopeless(problem: Problem, reached: Bargain) -> Bools:
    """(N, D): whether a node on a device rules out anything better than the best offer."""
    ceiling = math.inf if reached.best is None else reached.best.value
    marginals = problem.marginals(reached.byte_prices)
    at_least = marginals - _worth(reached.byte_prices, problem.room)
    return at_least > ceiling + _ROUNDING * abs(ceiling)


def _offer(problem: Problem, prices: Floats) -> tuple[Offer, float]:
    devices, total = problem.cheapest(prices)
    held = problem.held(devices)
    return Offer(devices, total - _worth(prices, held), held), total


def _worth(prices: Floats, size_bytes: Floats) -> float:
    """The price of so many bytes in each memory; where there is no price, they may be infinite."""
    priced = prices > 0
    return float(prices[priced] @ size_bytes[priced])


def _next_prices(offers: Sequence[Offer], room: Floats) -> tuple[Floats, float]:
    """The prices at which the planes of all offers allow the highest bound, and this bound.

    In units in which the first offer costs 1 and all weights together are 1.
    """
    cost, weight = abs(offers[0].value) or 1.0, offers[0].held.sum() or 1.0
    limited = np.isfinite(room)
    over = np.array([(offer.held - room)[limited] / weight for offer in offers])
    planes = np.column_stack((-over, np.ones(len(offers))))
    heights = np.array([offer.value / cost for offer in offers])
    highest = np.zeros(planes.shape[1])
    highest[-1] = -1.0
    bounds = [*[(0.0, _DEAREST)] * int(limited.sum()), (None, None)]
    solved = linprog(highest, A_ub=planes, b_ub=heights, bounds=bounds, method="highs")
    if solved.x is None:
        raise AssertionError(f"the bargain has no prices: {solved.message}")
    prices = np.zeros(len(room))
    prices[limited] = solved.x[:-1] * cost / weight
    return prices, float(solved.x[-1]) * cost
