"""For one assignment: an order in which its stages cost least to start.

A stage that goes on for as long as its device has nodes that are ready never costs more than one
that ends before: what runs now need not run in a later stage, and all other costs are the same. So
what is to be decided is only which device comes next, whenever none of the last one's nodes is
ready:

    a:cpu  b:pim  c:cpu  d:cpu      in the graph's order: [a] [b] [c d]   3 starts
    c reads a only                  cpu, pim, cpu:        [a c] [b] [d]   3 starts
    c and d read a only             cpu, pim:             [a c d] [b]     2 starts

The best sequence of devices is found by A*. What must still be paid at least is the greater of two
sums: the starts along the most expensive remaining path, and one start for each device that still
has nodes. Where that takes too long, the device with the most expensive remaining path always goes
next, which is an order, but perhaps not the best.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from stagecut.passes.partition.orders.precedence import Precedence, chain_costs

#: States after which the search gives up; each costs about as much as a run over the graph.
_MOST_STATES = 4000

#: Larger graphs are not searched at all.
_MOST_NODES = 2000


@dataclass(frozen=True, slots=True)
class BestOrder:
    """Nodes by index. No order of this assignment starts cheaper where it is `proven`."""

    nodes: tuple[int, ...]
    starts: float
    proven: bool


def best_order(precedence: Precedence, devices: Sequence[int], start: Sequence[float]) -> BestOrder:
    """`devices` has the device of each node, `start` what starting a stage on each device costs."""
    chains = chain_costs(precedence, devices, start)
    found = _greedy(precedence, devices, start, chains)
    least = max(
        _paths_left(devices, start, chains, range(len(precedence))),
        sum(start[device] for device in set(devices)),
    )
    if found.starts <= least or len(precedence) > _MOST_NODES:
        return BestOrder(found.nodes, found.starts, found.starts <= least)
    return _search(precedence, devices, start, chains, found)


def starts_in(order: Sequence[int], devices: Sequence[int], start: Sequence[float]) -> float:
    """What starting the stages costs when the nodes run in this order."""
    total, last = 0.0, -1
    for node in order:
        if devices[node] != last:
            last = devices[node]
            total += start[last]
    return total


def _paths_left(
    devices: Sequence[int], start: Sequence[float], chains: Sequence[float], ready: Sequence[int]
) -> float:
    return max((start[devices[node]] + chains[node] for node in ready), default=0.0)


def _greedy(
    precedence: Precedence,
    devices: Sequence[int],
    start: Sequence[float],
    chains: Sequence[float],
) -> BestOrder:
    """The graph's own order, or the one in which the device with the most expensive remaining path
    always goes next, whichever costs less."""
    waiting = [len(before) for before in precedence.before]
    ready: dict[int, list[int]] = {device: [] for device in dict.fromkeys(devices)}
    for node, before in enumerate(waiting):
        if not before:
            heapq.heappush(ready[devices[node]], node)
    order: list[int] = []
    while len(order) < len(precedence):
        device = max(
            (device for device, nodes in ready.items() if nodes),
            key=lambda device: (max(chains[node] for node in ready[device]), -ready[device][0]),
        )
        queue = ready[device]
        while queue:
            node = heapq.heappop(queue)
            order.append(node)
            for reader in precedence.after[node]:
                waiting[reader] -= 1
                if not waiting[reader]:
                    heapq.heappush(ready[devices[reader]], reader)
    own = tuple(range(len(precedence)))
    own_starts, starts = starts_in(own, devices, start), starts_in(order, devices, start)
    if own_starts <= starts:
        return BestOrder(own, own_starts, proven=False)
    return BestOrder(tuple(order), starts, proven=False)


@dataclass(slots=True)
class _Reached:
    """A state of the search: the nodes that have run (a mask), those that are ready, the last stage
    (`order`) and the state before it."""

    done: int
    ready: tuple[int, ...]
    order: tuple[int, ...]
    before: "_Reached | None"

    def whole(self) -> tuple[int, ...]:
        parts = []
        reached: _Reached | None = self
        while reached is not None:
            parts.append(reached.order)
            reached = reached.before
        return tuple(node for part in reversed(parts) for node in part)


def _search(
    precedence: Precedence,
    devices: Sequence[int],
    start: Sequence[float],
    chains: Sequence[float],
    known: BestOrder,
) -> BestOrder:
    """A* over the sets of nodes that have run whenever a stage ends."""
    first = tuple(node for node, before in enumerate(precedence.before) if not before)
    ties = count()
    least: dict[int, float] = {0: 0.0}
    queue = [(0.0, next(ties), 0.0, _Reached(0, first, (), None))]
    for _ in range(_MOST_STATES):
        if not queue:
            break
        estimate, _, paid, reached = heapq.heappop(queue)
        if estimate >= known.starts:
            break
        if not reached.ready:
            return BestOrder(reached.whole(), paid, proven=True)
        if paid > least[reached.done]:
            continue
        for device in sorted({devices[node] for node in reached.ready}):
            following = _run_on(precedence, devices, device, reached)
            cost = paid + start[device]
            if cost >= least.get(following.done, float("inf")):
                continue
            least[following.done] = cost
            left = _left(precedence, devices, start, chains, following)
            heapq.heappush(queue, (cost + left, next(ties), cost, following))
    else:
        return known
    return BestOrder(known.nodes, known.starts, proven=True)


def _left(
    precedence: Precedence,
    devices: Sequence[int],
    start: Sequence[float],
    chains: Sequence[float],
    reached: _Reached,
) -> float:
    """What must still be paid at least."""
    remaining = {devices[node] for node in range(len(precedence)) if not reached.done >> node & 1}
    paths = _paths_left(devices, start, chains, reached.ready)
    return max(paths, sum(start[device] for device in remaining))


def _run_on(
    precedence: Precedence, devices: Sequence[int], device: int, reached: _Reached
) -> _Reached:
    """Run every node of one device that is ready, or becomes ready meanwhile."""
    done, order, others = reached.done, [], []
    queue = list(reached.ready)
    while queue:
        node = queue.pop(0)
        if devices[node] != device:
            others.append(node)
            continue
        done |= 1 << node
        order.append(node)
        queue += precedence.ready(done, precedence.after[node])
    return _Reached(done, tuple(sorted(others)), tuple(order), reached)
