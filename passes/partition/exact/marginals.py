"""Min-marginals: for every state of every variable, the least value of the graph in that state.

The second half of a two-pass elimination. The first pass (inwards) gives each variable the least of
everything that was eliminated before it; the second (outwards) adds the least of what came after:

    belief of a bag = its own tables and messages
                    + (least belief of the bag that took its message - that message)

A *bag* is a variable with its neighbours at the time when it is eliminated. A complete belief is
the least value of the whole graph for each joint state of its bag. Where a message is infinite
nothing is added: the bag's own part is infinite already.
"""

from collections.abc import Iterator

import numpy as np

from stagecut.passes.partition.exact.elimination import Inbox
from stagecut.passes.partition.exact.equal_columns import group_equal_columns
from stagecut.passes.partition.exact.factor_graph import FactorGraph, Factors, Floats, Ints
from stagecut.passes.partition.exact.ordering import Group, Order


def min_marginals(graph: FactorGraph, order: Order) -> Floats:
    """(variables, most states) of a graph whose least value is finite.

    Infinite for what is impossible, and in the places of states that a variable does not have.
    """
    beliefs = _inward(graph, order)
    total = sum(float(belief.min(axis=0).sum()) for belief in beliefs if belief.ndim == 2)
    _outward(beliefs, order, total)
    marginals = np.full((len(graph.domains), int(graph.domains.max(initial=1))), np.inf)
    for group, belief in zip(order.groups, beliefs, strict=True):
        least = belief.reshape(len(belief), -1, group.rows).min(axis=1)
        marginals[group.first : group.first + group.rows, : len(belief)] = least.T
    np.maximum(marginals, total, out=marginals)  # a belief may fall short by rounding
    return marginals[order.rank]


def _inward(graph: FactorGraph, order: Order) -> list[Floats]:
    """Each group's own tables and messages, added up."""
    inbox = Inbox(graph, order)
    joints = []
    for index, group in enumerate(order.groups):
        joints.append(inbox.joint(index))
        if len(group.neighbours):
            inbox.deliver(Factors(group.neighbours, joints[-1].min(axis=0)))
    return joints


def _outward(beliefs: list[Floats], order: Order, total: float) -> None:
    """Complete every belief in place, last group first."""
    group_of = np.repeat(np.arange(len(order.groups)), [group.rows for group in order.groups])
    for group, belief in zip(reversed(order.groups), reversed(beliefs), strict=True):
        message = belief.min(axis=0)
        outside = np.full_like(message, total)
        if len(group.neighbours):
            takers = group_of[group.neighbours[:1]]
            for rows in group_equal_columns(takers):
                taker = takers[0, rows[0]]
                scopes = group.neighbours[:, rows]
                for part, least in _least_over(order.groups[taker], beliefs[taker], scopes):
                    outside[..., rows[part]] = least
        known = np.isfinite(message)
        change = np.subtract(outside, message, out=np.zeros_like(message), where=known)
        np.add(belief, change, out=belief)


def _least_over(group: Group, belief: Floats, scopes: Ints) -> Iterator[tuple[Ints, Floats]]:
    """The least belief of the rows that take `scopes`, for each joint state of these variables."""
    for part, axes in group.by_axes(scopes):
        rest = tuple(axis for axis, named in enumerate(axes) if not named)
        yield part, belief[..., scopes[0, part] - group.first].min(axis=rest)
