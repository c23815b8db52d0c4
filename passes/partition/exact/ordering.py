"""The order in which to eliminate the variables of a factor graph, and which of them together.

Eliminating a variable joins its neighbours: they all become each other's neighbours, and a table
over them is made whose size is the product of their domains. Taking the variable with the smallest
such table first ("min-weight", the weighted form of min-degree) keeps tables small. Here a whole
round is taken at a time: every variable whose table is smaller than those of all its neighbours.
Ties are broken by a fixed shuffle of the indices, so that a long chain loses a third of its
variables in each round, and not one. No two variables of a round are neighbours, so each is
eliminated as if it were alone, and those with the same shape by one array operation.

Everything works on arrays of edges; there is no loop over variables.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stagecut.passes.partition.exact.equal_columns import distinct, group_equal_columns
from stagecut.passes.partition.exact.factor_graph import Bools, FactorGraph, Floats, Ints

#: Tables of up to two to this power entries are made whenever they come up; larger ones only when
#: nothing smaller is left.
_FREE_ENTRIES = 12.0

#: Knuth's multiplicative hash: an odd factor permutes the integers modulo 2**32.
_SHUFFLE = 2654435761


@dataclass(frozen=True, slots=True)
class Group:
    """Variables `first`, `first + 1`, ... that are eliminated by one array operation.

    `neighbours` (k, rows): the variables that each of them is joined with, in elimination order.
    `shape`: the domain of the variable, then of its k neighbours; the same for all rows.
    """

    first: int
    neighbours: Ints
    shape: tuple[int, ...]

    @property
    def rows(self) -> int:
        return int(self.neighbours.shape[1])

    @property
    def entries(self) -> float:
        """How many entries its tables have."""
        return math.prod(map(float, self.shape)) * self.rows

    def by_axes(self, scopes: Ints) -> Iterator[tuple[Ints, list[bool]]]:
        """Split scopes, whose first variables are of this group, by the axes that they name.

        Yields indices into `scopes` and, for the variable and each neighbour, whether it is named.
        """
        if len(scopes) in {1, len(self.shape)}:
            others = len(scopes) > 1
            yield np.arange(scopes.shape[1]), [True] + [others] * len(self.neighbours)
            return
        rows = scopes[0] - self.first
        named = (self.neighbours[:, None, rows] == scopes[1:]).any(axis=1)
        for part in group_equal_columns(named):
            yield part, [True, *named[:, part[0]].tolist()]


@dataclass(frozen=True, slots=True)
class Order:
    """The groups in elimination order; `rank[v]` is the number of variable `v` in them."""

    rank: Ints
    groups: tuple[Group, ...]

    @property
    def width(self) -> int:
        return max((len(group.shape) - 1 for group in self.groups), default=0)

    @property
    def entries(self) -> float:
        """How many table entries the elimination computes."""
        return sum(group.entries for group in self.groups)


@dataclass(frozen=True, slots=True)
class _Round:
    """Variables that are eliminated together; `owners` and `members` pair each with each neighbour.

    `entries` is the number of entries of all their tables.
    """

    variables: Ints
    owners: Ints
    members: Ints
    entries: float


def elimination_order(graph: FactorGraph, *, max_entries: float = math.inf) -> Order | None:
    """Choose an order with small tables; the graph's own tables are not looked at.

    None if no order was found with which elimination computes no more than `max_entries`.
    """
    rounds = []
    for taken in _rounds(graph):
        max_entries -= taken.entries
        if max_entries < 0:
            return None
        rounds.append(taken)
    round_of = np.empty(len(graph.domains), dtype=np.int64)
    for number, taken in enumerate(rounds):
        round_of[taken.variables] = number
    none = np.empty(0, dtype=np.int64)
    owners = np.concatenate([none, *(taken.owners for taken in rounds)])
    members = np.concatenate([none, *(taken.members for taken in rounds)])
    rounds.clear()  # they are as large again
    unsorted = _groups(graph.domains, round_of, owners, members)
    groups = sorted(unsorted, key=lambda group: group.round)
    rank = np.empty(len(graph.domains), dtype=np.int64)
    first = 0
    for group in groups:
        rank[group.variables] = first + np.arange(len(group.variables))
        first += len(group.variables)
    return Order(rank, tuple(group.ranked(rank) for group in groups))


def _rounds(graph: FactorGraph) -> Iterator[_Round]:
    """Variables are numbered anew, 0..n-1, in each round; `names` are their true numbers."""
    names = np.arange(len(graph.domains))
    source, target = _edges(graph)
    while len(names):
        entries = _entries(graph.domains[names], source, target)
        taken = _cheapest(names, entries, source, target)
        leaving, staying = taken[source], ~taken[source] & ~taken[target]
        owners, members = source[leaving], target[leaving]
        size = float(np.exp2(entries[taken]).sum())
        yield _Round(names[taken], names[owners], names[members], size)
        keys = source[staying] * len(names) + target[staying]
        joined = _pairs(owners, members, len(names))
        if len(joined):
            keys = distinct(np.concatenate((keys, joined)))
        source, target = (np.cumsum(~taken) - 1)[np.array(np.divmod(keys, len(names)))]
        names = names[~taken]


def _edges(graph: FactorGraph) -> Ints:
    """(2, edges): the pairs of variables that share a factor, both ways round, sorted."""
    count = len(graph.domains)
    pairs = [factor.scopes for factor in graph.factors if len(factor.scopes) == 2]
    first, second = np.concatenate(pairs, axis=1) if pairs else np.empty((2, 0), dtype=np.int64)
    keys = distinct(np.concatenate((first * count + second, second * count + first)))
    return np.array(np.divmod(keys, count))


def _entries(domains: Ints, source: Ints, target: Ints) -> Floats:
    """Binary logarithm of the size of the table over each variable and its neighbours."""
    weight = np.log2(domains)
    return weight + np.bincount(source, weight[target], minlength=len(domains))


def _cheapest(names: Ints, entries: Floats, source: Ints, target: Ints) -> Bools:
    """Which variables make a small table, and a smaller one than each of their neighbours."""
    shuffled = entries + (names * _SHUFFLE % 2**32) * 2.0**-42
    taken = entries <= max(_FREE_ENTRIES, float(shuffled.min()))
    taken[source[shuffled[target] < shuffled[source]]] = False
    return taken


def _pairs(owners: Ints, members: Ints, count: int) -> Ints:
    """The key `a * count + b` of all pairs of neighbours of one owner; `owners` is sorted."""
    degree = np.bincount(owners, minlength=count)
    start = np.cumsum(degree) - degree
    keys = [np.empty(0, dtype=np.int64)]
    for size in (np.flatnonzero(np.bincount(degree, minlength=2)[2:]) + 2).tolist():
        bags = members[start[degree == size, None] + np.arange(size)]
        ends, others = np.nonzero(~np.eye(size, dtype=bool))
        keys.append((bags[:, ends] * count + bags[:, others]).ravel())
    return np.concatenate(keys)


@dataclass(frozen=True, slots=True)
class _Unranked:
    """A group whose variables are not yet numbered in elimination order."""

    round: int
    variables: Ints
    neighbours: Ints
    shape: tuple[int, ...]

    def ranked(self, rank: Ints) -> Group:
        return Group(int(rank[self.variables[0]]), rank[self.neighbours], self.shape)


def _groups(domains: Ints, round_of: Ints, owners: Ints, members: Ints) -> Iterator[_Unranked]:
    """Split each round by shape; `owners` and `members` are those of all rounds.

    The neighbours of a variable are neighbours of each other once it is gone, so all of them
    leave in different rounds: sorting them by round is already the elimination order.
    """
    members = members[np.argsort(owners * len(domains) + round_of[members], kind="stable")]
    degree = np.bincount(owners, minlength=len(domains))
    start = np.cumsum(degree) - degree
    for size in np.flatnonzero(np.bincount(degree)):
        variables = np.flatnonzero(degree == size)
        bags = members[start[variables, None] + np.arange(size)]
        shapes = np.column_stack((domains[variables], domains[bags]))
        for rows in group_equal_columns(np.column_stack((round_of[variables], shapes)).T):
            yield _Unranked(
                int(round_of[variables[rows[0]]]),
                variables[rows],
                bags[rows].T,
                tuple(shapes[rows[0]].tolist()),
            )
