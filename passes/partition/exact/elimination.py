"""The least value of a factor graph and where it is attained, by eliminating its variables.

A variable is eliminated by adding up all tables that name it, in an array with an axis for it and
one for each of its neighbours, and taking the least along its own axis: a new table over the
neighbours, the *message*. Which state was the least, for each joint state of the neighbours, is its
*choice*. When no variable is left the value is known; the choices, read backwards, give the states.
Variables of a group have the same shape and are eliminated by one array operation. This is dynamic
programming over a tree decomposition, and it is exact: its value is its own lower bound.

Variables are numbered in elimination order, so the first variable of a table is always the one
that takes it up.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from stagecut.passes.partition.exact.equal_columns import group_equal_columns
from stagecut.passes.partition.exact.factor_graph import FactorGraph, Factors, Floats, Ints
from stagecut.passes.partition.exact.ordering import Group, Order

#: The state that attains each minimum; of a narrow type, as there is one for every table entry.
Choice: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.uint32]

#: numpy handles so many neighbouring entries at once without much overhead, which matters in tables
#: of so many.
_INNER_LOOP, _SPREAD_FROM = 128, 4096


@dataclass(frozen=True, slots=True)
class Minimum:
    """The least value of the graph, infinite when nothing is possible, and one point of it."""

    value: float
    states: Ints


def minimise(graph: FactorGraph, order: Order) -> Minimum:
    """Ties go to the lower state, decided from the last variable of `order` to the first."""
    inbox = Inbox(graph, order)
    value = 0.0
    choices: list[Choice] = []
    for index, group in enumerate(order.groups):
        message, choice = _least(inbox.joint(index))
        choices.append(choice)
        if len(group.neighbours):
            inbox.deliver(Factors(group.neighbours, message))
        else:
            value += float(message.sum())
    return Minimum(value, _read_back(order, choices))


def _least(joint: Floats) -> tuple[Floats, Choice]:
    """Minimum and its first place along axis 0, which is short."""
    if len(joint) == 1:
        return joint[0], np.zeros(joint[0].shape, dtype=np.uint8)
    choice: Choice = (joint[1] < joint[0]).view(np.uint8)
    choice = choice if len(joint) <= 256 else choice.astype(np.uint32)
    least = np.minimum(joint[0], joint[1])
    for state in range(2, len(joint)):
        np.copyto(choice, state, where=joint[state] < least)
        np.minimum(least, joint[state], out=least)
    return least, choice


def _read_back(order: Order, choices: Sequence[Choice]) -> Ints:
    states = np.zeros(len(order.rank), dtype=np.int64)
    for group, choice in zip(reversed(order.groups), reversed(choices), strict=True):
        rows = np.arange(group.rows)
        states[group.first + rows] = choice[(*states[group.neighbours], rows)]
    return states[order.rank]


class Inbox:
    """The tables that each group still has to add up; they are released once they are read."""

    def __init__(self, graph: FactorGraph, order: Order) -> None:
        self._groups = order.groups
        self._group_of = np.repeat(np.arange(len(order.groups)), [g.rows for g in order.groups])
        self._waiting: list[list[Factors]] = [[] for _ in order.groups]
        for factors in graph.factors:
            for turned in _in_order(Factors(order.rank[factors.scopes], factors.tables)):
                self.deliver(turned)

    def deliver(self, factors: Factors) -> None:
        """Hand each table to the group of its first variable."""
        target = self._group_of[factors.scopes[:1]]
        if factors.rows == 1:
            self._waiting[target[0, 0]].append(factors)
            return
        for rows in group_equal_columns(target):
            self._waiting[target[0, rows[0]]].append(factors.only(rows))

    def joint(self, index: int) -> Floats:
        """All tables for this group added up: (domain, *domains of the neighbours, rows)."""
        group = self._groups[index]
        joint = np.zeros((*group.shape, group.rows))
        for factors in _by_shape(self._waiting[index]):
            _add(joint, group, factors)
        self._waiting[index] = []
        return joint


def _in_order(factors: Factors) -> Iterator[Factors]:
    """The same tables with the variable first that is eliminated first."""
    if len(factors.scopes) == 1:
        yield factors
        return
    turned = factors.scopes[0] > factors.scopes[1]
    yield factors.only(np.flatnonzero(~turned))
    flipped = factors.only(np.flatnonzero(turned))
    yield Factors(flipped.scopes[::-1], flipped.tables.swapaxes(0, 1))


def _by_shape(waiting: Sequence[Factors]) -> Iterator[Factors]:
    shapes = dict.fromkeys(factors.tables.shape[:-1] for factors in waiting)
    for shape in shapes:
        same = [factors for factors in waiting if factors.tables.shape[:-1] == shape]
        if len(same) == 1:
            yield same[0]
        else:
            yield Factors(
                np.concatenate([factors.scopes for factors in same], axis=1),
                np.concatenate([factors.tables for factors in same], axis=-1),
            )


def _add(joint: Floats, group: Group, factors: Factors) -> None:
    """Add each table to its row of `joint`, along the axes that its scope names."""
    for part, axes in group.by_axes(factors.scopes):
        shape = [size if name else 1 for size, name in zip(group.shape, axes, strict=True)]
        rows, tables = _summed(factors.only(part), group.first)
        aligned = tables.reshape(*shape, len(rows))
        if joint.size > _SPREAD_FROM:
            aligned = _spread(aligned, group.shape)
        if len(rows) == group.rows:
            joint += aligned
        else:
            joint[..., rows] += aligned


def _spread(tables: Floats, shape: Sequence[int]) -> Floats:
    """Repeat tables of few rows along their last axes, so that numpy's inner loops are long."""
    run, axis = tables.shape[-1], len(shape)
    while run < _INNER_LOOP and axis:
        axis -= 1
        run *= shape[axis]
    full = (*tables.shape[:axis], *shape[axis:], tables.shape[-1])
    return tables if full == tables.shape else np.ascontiguousarray(np.broadcast_to(tables, full))


def _summed(factors: Factors, first: int) -> tuple[Ints, Floats]:
    """One table for each row: those with the same scope added up."""
    rows, tables = factors.scopes[0] - first, factors.tables
    if len(rows) == 1 or (rows[1:] > rows[:-1]).all():
        return rows, tables
    order = np.argsort(rows, kind="stable")
    rows = rows[order]
    starts = np.flatnonzero(np.concatenate(([True], rows[1:] > rows[:-1])))
    return rows[starts], np.add.reduceat(tables.take(order, axis=-1), starts, axis=-1)
