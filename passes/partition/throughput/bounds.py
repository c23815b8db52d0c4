"""Lower bounds on the period of any schedule, contiguous or not.

    work      however the nodes are shared out, each takes cores * run / batch of some device's
              units: sum over nodes of the least of it / units <= period
    a node    a stage with it takes a call of at least its start and its own time, in as many
              replicas as there is room for

With several resources each unit of work is weighed by a price of its resource (the dual of the
assignment's linear program): any prices give a bound, and better ones a better bound.
"""

import numpy as np

from stagecut.passes.partition.exact.factor_graph import Floats
from stagecut.passes.partition.throughput.model import StreamCosts

#: Steps in which prices are improved.
_STEPS = 200


def least_period(costs: StreamCosts) -> float:
    """In ticks."""
    return max(_work(costs), _single_node(costs))


def _work(costs: StreamCosts) -> float:
    """The best bound that multiplicative weights find: a resource that is overloaded when every
    node takes the cheapest device becomes dearer."""
    work = np.where(costs.able, costs.run * (costs.cores / costs.batch), np.inf)
    units = costs.units.astype(np.float64)
    price = np.ones(len(units)) / units.sum()
    best = 0.0
    for step in range(_STEPS if len(units) > 1 else 1):
        priced: Floats = work * price[costs.group]
        best = max(best, float(priced.min(axis=1).sum()))
        chosen = priced.argmin(axis=1)
        spent = work[np.arange(len(work)), chosen]
        load = np.bincount(costs.group[chosen], weights=spent, minlength=len(units)) / units
        if load.max() <= 0:
            break
        price = price * np.exp(load / load.max() / np.sqrt(step + 1))
        price /= price @ units
    return best * (1 - 1e-12)  # rounding must not raise it


def _single_node(costs: StreamCosts) -> float:
    replicas = np.minimum(costs.units[costs.group] // costs.cores, costs.most)
    alone = (costs.start + costs.run) / (costs.batch * np.maximum(replicas, 1))
    possible = costs.able & (replicas > 0)
    return float(np.where(possible, alone, np.inf).min(axis=1).max(initial=0.0))
