"""The objective as a factor graph: a variable for the place of each node, for each shared transfer,
and for the set of memories that hold each value that is `held` (transfers.py).

No table is over more than two variables. Tables are first written over all places or memories, then
cut down to those that the nodes in question can run in.

What starting stages costs depends on the order in which nodes run. `Starts` says for which pairs of
nodes, of which the second never runs before the first, a change of device counts:

    in the graph's order    every node with the one before it: exact for that order
    along a flow of edges   the edges of the graph with weights that make up one unit of flow from
                            its sources to its sinks: a lower bound for every order, because along
                            each path of the graph every change of device starts a stage
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stagecut.passes.partition.exact.arrays import TableArrays
from stagecut.passes.partition.exact.equal_columns import group_equal_columns
from stagecut.passes.partition.exact.factor_graph import Bools, FactorGraph, Factors, Floats, Ints
from stagecut.passes.partition.exact.transfers import Transfers, transfers_of


class Term(NamedTuple):
    """Scopes (1 or 2, rows), and tables (..., rows) over all places, over no and yes, or over all
    sets of memories; the first `by_memory` axes are over memories instead, that of a place in its
    place."""

    scopes: Ints
    tables: Floats
    by_memory: int = 0


#: The most memories with relays: a held value has two to the power of the memories states.
MOST_MEMORIES = 7


@dataclass(frozen=True, slots=True)
class Starts:
    """Where starting a stage is paid for, and how much of it: rows of `pairs` (2, E) by
    `pair_weight` (E,) where the second node runs elsewhere than the first; `first` (F,) by
    `first_weight` (F,) always."""

    pairs: Ints
    pair_weight: Floats
    first: Ints
    first_weight: Floats

    @classmethod
    def none(cls) -> "Starts":
        empty = np.empty(0, dtype=np.int64)
        return cls(np.empty((2, 0), dtype=np.int64), np.empty(0), empty, np.empty(0))

    @classmethod
    def in_order(cls, nodes: int) -> "Starts":
        """Every node after the one before it in the table."""
        index = np.arange(nodes)
        pairs = np.stack((index[:-1], index[1:]))
        return cls(pairs, np.ones(max(nodes - 1, 0)), index[:1], np.ones(min(nodes, 1)))


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
        nodes, states = np.nonzero(np.isfinite(by_state[: len(self.place), : self.place.shape[1]]))
        by_place = np.full((len(self.place), places), np.inf)
        by_place[nodes, self.place[nodes, states]] = by_state[nodes, states]
        return by_place


def factor_model(table: TableArrays, starts: Starts) -> Model:
    decided = transfers_of(table)
    options = _Options(table, decided)
    factors = tuple(part for term in _terms(table, decided, starts) for part in options.cut(term))
    return Model(FactorGraph(options.domains, factors), options.places(len(table.device)))


def _terms(table: TableArrays, decided: Transfers, starts: Starts) -> Iterator[Term]:
    yield Term(np.arange(len(table.run))[None], _alone(table, decided))
    yield _pairwise(table, decided)
    yield from _shared(table, decided)
    if len(decided.held):
        yield from _held(table, decided)
    if table.start.any():
        yield Term(starts.first[None], table.start[:, None] * starts.first_weight)
        changes = np.where(np.eye(len(table.start), dtype=np.bool_), 0.0, table.start)
        yield Term(starts.pairs, changes[..., None] * starts.pair_weight)


def _alone(table: TableArrays, decided: Transfers) -> Floats:
    """(P, N + I): what depends on one node alone: its run, and its values' implied transfers."""
    costs = table.run.T.copy()
    value = np.flatnonzero(decided.implied.any(axis=1))
    implied = np.where(decided.implied[value, None, :], table.transfer[value], 0.0).sum(axis=2)
    np.add.at(costs.T, table.producer[value], implied[:, table.memory])
    return costs


def _pairwise(table: TableArrays, decided: Transfers) -> Term:
    """Transfers that one reader alone may want: paid if it runs in such a memory."""
    rows = np.flatnonzero(decided.pairwise.any(axis=1))
    value, reader = decided.reads[:, rows]
    costs = np.where(decided.pairwise[rows, None, :], table.transfer[value], 0.0)
    return Term(np.stack((table.producer[value], reader)), np.moveaxis(costs, 0, -1), by_memory=2)


def _shared(table: TableArrays, decided: Transfers) -> Iterator[Term]:
    """Transfers that several readers may want: "yes" costs what the transfer from the producer's
    place does, "no" forbids the readers that memory."""
    value, memory = decided.variable
    number = np.full(table.wanted.shape, -1)
    number[value, memory] = len(table.run) + np.arange(len(value))
    memories = np.arange(table.wanted.shape[1])
    pays = np.zeros((len(memories), 2, len(value)))
    pays[:, 1] = table.transfer[value, :, memory].T
    yield Term(np.stack((table.producer[value], number[value, memory])), pays, by_memory=1)
    row, memory = np.nonzero(decided.shared)
    value, reader = decided.reads[:, row]
    requires = np.zeros((len(memories), 2, len(row)))
    requires[:, 0] = np.where(memories[:, None] == memory, np.inf, 0.0)
    yield Term(np.stack((reader, number[value, memory])), requires, by_memory=1)


def _held(table: TableArrays, decided: Transfers) -> Iterator[Term]:
    """The set of memories that hold a value costs the steps into each of them from the producer's;
    a reader must run in one of the set."""
    held = _holders(table.wanted.shape[1])
    first = len(table.run) + decided.variable.shape[1]
    number = np.full(len(table.producer), -1)
    number[decided.held] = first + np.arange(len(decided.held))
    by_memory = _steps(table, decided.held, held)
    scopes = np.stack((table.producer[decided.held], number[decided.held]))
    yield Term(scopes, np.moveaxis(by_memory, 0, -1), by_memory=1)
    rows = np.flatnonzero(number[decided.reads[0]] >= 0)
    value, reader = decided.reads[:, rows]
    requires = np.where(held.T, 0.0, np.inf)
    tables = np.broadcast_to(requires[..., None], (*requires.shape, len(rows)))
    yield Term(np.stack((reader, number[value])), tables, by_memory=1)


def _holders(memories: int) -> Bools:
    """(S, M): whether a memory is in each set of memories but the empty one."""
    sets = np.arange(1, 1 << memories)
    return np.asarray((sets[:, None] >> np.arange(memories)) & 1 == 1)


def _steps(table: TableArrays, values: Ints, held: Bools) -> Floats:
    """(values, M, S): what the transfers of a value from each memory to all of each set S cost.

    Infinite where the set lacks the source, a stop, or a memory in which the value must end.
    """
    cost, before = table.transfer[values], table.before[values]
    complete: Bools = np.asarray((held | ~table.wanted[values, None]).all(axis=2))
    able: Bools = np.asarray(complete[:, None, :] & held.T)
    reached = np.isfinite(cost)
    step = np.where(reached, cost, 0.0)
    step = step - np.take_along_axis(step, before, axis=2)
    for memory in range(held.shape[1]):  # every holder's last stop is a holder, too
        stopped = np.moveaxis(held[:, before[:, :, memory]], 0, -1)
        able &= (stopped & reached[:, :, memory, None]) | ~held[:, memory]
    costs: Floats = np.where(able, step @ held.T.astype(np.float64), np.inf)
    return costs


class _Options:
    """The states of each variable: places of a node, no and yes of a shared transfer, sets of
    memories of a held value.

    `kind` (variables,) tells apart those with different states, `states` lists them by kind.
    """

    def __init__(self, table: TableArrays, decided: Transfers) -> None:
        fits = _widened(np.isfinite(table.run), len(table.start) - table.wanted.shape[1])
        kinds = group_equal_columns(fits.T)
        holders = np.arange((1 << table.wanted.shape[1]) - 1 if len(decided.held) else 1)
        self._memory = table.memory
        self._states = [
            np.arange(2),
            holders,
            *(np.flatnonzero(fits[nodes[0]]) for nodes in kinds),
        ]
        shared, held = decided.variable.shape[1], len(decided.held)
        self._kind = np.zeros(len(fits) + shared + held, dtype=np.int64)
        for kind, nodes in enumerate(kinds, start=2):
            self._kind[nodes] = kind
        self._kind[len(fits) + shared :] = 1

    @property
    def domains(self) -> Ints:
        return np.array([len(states) for states in self._states])[self._kind]

    def places(self, nodes: int) -> Ints:
        """(N, most states of a node): the place that each state stands for."""
        states = self._states[2:] or self._states[:1]
        padded = np.zeros((len(states), max(map(len, states))), dtype=np.int64)
        for kind, each in enumerate(states):
            padded[kind, : len(each)] = each
        places: Ints = padded[np.maximum(self._kind[:nodes] - 2, 0)]
        return places

    def cut(self, term: Term) -> Iterator[Factors]:
        """The tables over the states that their variables have, by shape; a variable with one state
        is left out of them."""
        kinds = self._kind[term.scopes]
        for rows in group_equal_columns(kinds):
            states = [self._states[kind] for kind in kinds[:, rows[0]].tolist()]
            undecided = [axis for axis, each in enumerate(states) if len(each) > 1] or [0]
            part = _along(term.tables, len(states), rows)
            for axis, each in enumerate(states):
                part = _along(part, axis, self._memory[each] if axis < term.by_memory else each)
            shape = [len(states[axis]) for axis in undecided]
            yield Factors(term.scopes[undecided][:, rows], part.reshape(*shape, len(rows)))


def _along(tables: Floats, axis: int, indices: Ints) -> Floats:
    """`tables` at these indices of an axis; they themselves where that is all of them in order."""
    if np.array_equal(indices, np.arange(tables.shape[axis])):
        return tables
    return tables.take(indices, axis=axis)


def _widened(fits: Bools, places: int) -> Bools:
    """Nodes that have at least half of the places get the others, too, at an infinite cost.

    Variables with the same number of states are handled by one array operation, however many.
    """
    count = fits[:, :places].sum(axis=1)
    wide = (count > 1) & (2 * count >= places)
    widened = fits.copy()
    widened[wide, :places] = True
    return widened
