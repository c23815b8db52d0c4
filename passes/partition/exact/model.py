"""The objective as a factor graph: one variable for each node's place, one for each shared copy.

No table looks at more than two variables. Tables are first written over all places, then cut
down to those that the two nodes in question really have.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from stagecut.passes.partition.exact.arrays import Columns
from stagecut.passes.partition.exact.copies import Copies, copies
from stagecut.passes.partition.exact.equal_columns import alike
from stagecut.passes.partition.exact.factor_graph import FactorGraph, Factors, Floats, Ints

#: Scopes (1 or 2, rows), and tables over all places or over no and yes (..., rows).
Term: TypeAlias = tuple[Ints, Floats]


@dataclass(frozen=True, slots=True)
class Model:
    """`place[n, s]` is the place of node `n` in its state `s`; variables 0 to N - 1 are nodes."""

    graph: FactorGraph
    place: Ints

    def places(self, states: Ints) -> Ints:
        """The place of every node, (N,), at a point of the graph."""
        nodes = np.arange(len(self.place))
        return self.place[nodes, states[nodes]]

    def by_place(self, by_state: Floats, places: int) -> Floats:
        """(N, places) from (variables, states): infinite for places that a node does not have."""
        nodes, states = np.nonzero(np.isfinite(by_state[: len(self.place)]))
        by_place = np.full((len(self.place), places), np.inf)
        by_place[nodes, self.place[nodes, states]] = by_state[nodes, states]
        return by_place


def model(table: Columns) -> Model:
    decided = copies(table)
    options = _Options(table, decided.variable.shape[1])
    factors = tuple(part for term in _terms(table, decided) for part in options.cut(*term))
    return Model(FactorGraph(options.domains, factors), options.places(len(table.device)))


def _terms(table: Columns, decided: Copies) -> Iterator[Term]:
    yield np.arange(len(table.run))[None], table.run.T
    yield _needed(table, decided)
    yield _alone(table, decided)
    yield from _shared(table, decided)
    if table.start.any() and len(table.device):
        yield from _stages(table)


def _needed(table: Columns, decided: Copies) -> Term:
    """Copies that are made wherever the producer is: its own cost."""
    value = np.flatnonzero(decided.needed.any(axis=1))
    moves = np.where(decided.needed[value, None, :], table.move[value], 0.0).sum(axis=2)
    return table.producer[value][None], moves[:, table.memory].T


def _alone(table: Columns, decided: Copies) -> Term:
    """Copies that one reader alone brings about: paid if it runs in such a memory."""
    rows = np.flatnonzero(decided.alone.any(axis=1))
    value, reader = decided.reads[:, rows]
    moves = np.where(decided.alone[rows, None, :], table.move[value], 0.0)
    tables = moves[:, table.memory[:, None], table.memory]
    return np.stack((table.producer[value], reader)), np.moveaxis(tables, 0, -1)


def _shared(table: Columns, decided: Copies) -> Iterator[Term]:
    """Copies that several readers may want: yes costs the producer, no shuts the readers out."""
    value, memory = decided.variable
    number = np.full(table.wanted.shape, -1)
    number[value, memory] = len(table.run) + np.arange(len(value))
    pays = np.zeros((len(table.memory), 2, len(value)))
    pays[:, 1] = table.move[value, :, memory][:, table.memory].T
    yield np.stack((table.producer[value], number[value, memory])), pays
    row, memory = np.nonzero(decided.shared)
    value, reader = decided.reads[:, row]
    requires = np.zeros((len(table.memory), 2, len(row)))
    requires[:, 0] = np.where(table.memory[:, None] == memory, np.inf, 0.0)
    yield np.stack((reader, number[value, memory])), requires


def _stages(table: Columns) -> Iterator[Term]:
    """A stage starts at the first node and wherever the place differs from the last node's."""
    nodes = np.arange(len(table.device))
    yield nodes[None, :1], table.start[:, None]
    changes = np.where(np.eye(len(table.start), dtype=np.bool_), 0.0, table.start)
    tables = np.broadcast_to(changes[..., None], (*changes.shape, len(nodes) - 1))
    yield np.stack((nodes[:-1], nodes[1:])), tables


class _Options:
    """The states that each variable has: places for a node, no and yes for a copy.

    `kind` (variables,) tells apart those with different states, `states` lists them by kind.
    """

    def __init__(self, table: Columns, shared: int) -> None:
        fits = np.isfinite(table.run)
        kinds = alike(fits.T)
        self._states = [np.arange(2), *(np.flatnonzero(fits[nodes[0]]) for nodes in kinds)]
        self._kind = np.zeros(len(fits) + shared, dtype=np.int64)
        for kind, nodes in enumerate(kinds, start=1):
            self._kind[nodes] = kind

    @property
    def domains(self) -> Ints:
        return np.array([len(states) for states in self._states])[self._kind]

    def places(self, nodes: int) -> Ints:
        """(N, most states of a node): the place that each state stands for."""
        padded = np.zeros((len(self._states), max(map(len, self._states))), dtype=np.int64)
        for kind, states in enumerate(self._states):
            padded[kind, : len(states)] = states
        return padded[self._kind[:nodes]]

    def cut(self, scopes: Ints, tables: Floats) -> Iterator[Factors]:
        """The tables over the states that their variables have; a decided variable drops out."""
        kinds = self._kind[scopes]
        for rows in alike(kinds):
            states = [self._states[kind] for kind in kinds[:, rows[0]].tolist()]
            undecided = [axis for axis, each in enumerate(states) if len(each) > 1] or [0]
            shape = [len(states[axis]) for axis in undecided]
            part = tables[np.ix_(*states, rows)].reshape(*shape, len(rows))
            yield Factors(scopes[undecided][:, rows], part)
