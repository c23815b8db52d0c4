"""A lower bound over all assignments in all orders, by flows along the graph's edges.

In whatever order a graph runs, the nodes of a path run one after the other, so that each change of
device along it starts a stage, and so does its first node:

    stage starts >= starts along P, for every path P
                 >= starts along any mixture of paths: a unit of flow from sources to sinks

With starts counted along a flow the objective is again a sum of tables over two neighbours in the
graph, which elimination minimises exactly, at the graph's own width. The flow that gives the
highest bound is approached by fictitious play: in round k the path that is the most expensive for
the assignment just found gets 1 / k of the flow, and all others keep their proportions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from stagecut.passes.partition.exact.factor_graph import Floats, Ints
from stagecut.passes.partition.exact.model import Starts
from stagecut.passes.partition.exact.problem import Problem
from stagecut.passes.partition.orders.precedence import Precedence

#: Rounds at most, for small graphs and for large ones; each is one elimination.
_ROUNDS, _FEW_ROUNDS, _LARGE = 24, 4, 5000


class Flow:
    """A unit of flow through the graph, 0 at first: a weight for each edge and for each source."""

    def __init__(self, precedence: Precedence) -> None:
        self._edges = precedence.edges
        self._number = {pair: at for at, pair in enumerate(zip(*self._edges.tolist(), strict=True))}
        self._sources = np.array(
            [node for node, before in enumerate(precedence.before) if not before], dtype=np.int64
        )
        self._at = {node: at for at, node in enumerate(self._sources.tolist())}
        self._on_edges = np.zeros(self._edges.shape[1])
        self._on_sources = np.zeros(len(self._sources))

    def mix(self, path: Sequence[int], share: float) -> None:
        """Send `share` of the flow along `path`, and scale the rest down by 1 - `share`."""
        self._on_edges *= 1 - share
        self._on_sources *= 1 - share
        self._on_sources[self._at[path[0]]] += share
        for pair in pairwise(path):
            self._on_edges[self._number[pair]] += share

    def starts(self) -> Starts:
        return Starts(self._edges, self._on_edges.copy(), self._sources, self._on_sources.copy())


@dataclass(frozen=True, slots=True)
class StartBound:
    """No schedule costs less than `bound`, which `problem`, with its flow, proves."""

    bound: float
    problem: Problem


def longest_path(
    precedence: Precedence, devices: Sequence[int], start: Sequence[float]
) -> list[int]:
    """The path whose changes of device cost most; of those that cost the same, the longest."""
    following = [-1] * len(precedence)
    most = [(0.0, 0)] * len(precedence)
    for node in reversed(range(len(precedence))):
        device = devices[node]
        for reader in precedence.after[node]:
            change = start[devices[reader]] if devices[reader] != device else 0.0
            cost, length = most[reader]
            if following[node] < 0 or (cost + change, length + 1) > most[node]:
                most[node] = (cost + change, length + 1)
                following[node] = reader
    sources = [node for node, before in enumerate(precedence.before) if not before]
    node = max(sources, key=lambda node: (start[devices[node]] + most[node][0], most[node][1]))
    path = [node]
    while following[node] >= 0:
        node = following[node]
        path.append(node)
    return path


def start_bound(
    problem: Problem,
    flow: Flow,
    precedence: Precedence,
    start: Sequence[float],
    offer: Callable[[Ints], float],
    prices: Floats | None = None,
) -> StartBound:
    """Raise the bound round by round, until it meets the best schedule known.

    Every assignment found on the way is handed to `offer`, which returns the least total of any
    schedule so far.
    """
    best = StartBound(-np.inf, problem)
    rounds = _ROUNDS if len(precedence) <= _LARGE else _FEW_ROUNDS
    for number in range(1, rounds + 1):
        devices, value = problem.cheapest(prices)
        if value > best.bound:
            best = StartBound(value, problem)
        ceiling = offer(devices)
        if best.bound >= ceiling * (1 - 1e-12) or not np.isfinite(value) or number == rounds:
            break
        flow.mix(longest_path(precedence, devices.tolist(), start), 1 / number)
        problem = problem.with_starts(flow.starts())
    return best
