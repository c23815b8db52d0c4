"""Assignment and order together, exactly: dynamic programming over ideals.

An *ideal* is a set of nodes that may have run: with each node it has all that must run before it.
What the remaining nodes cost depends on the ideal, on the device that ran last (going on with it
starts no stage), on the memories of the values that are still wanted, and on what is left of the
budgets. So these make up a state, and of all ways to reach it only the cheapest is kept:

    ideal {a, b}, last on pim, %b in pim      least cost 3.2 us
      + c on pim:  1.0                        -> {a, b, c}, pim
      + c on cpu:  0.5 + start 0.2 + %b over  -> {a, b, c}, cpu

Two things keep the number of states small. A state that cannot lead to anything cheaper than the
best schedule known is dropped. And where a node is ready that can run on the device that ran last
only, it runs now: waiting cannot lower the cost, as only stage starts depend on the order.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stagecut.passes.partition.exact.arrays import TableArrays
from stagecut.passes.partition.exact.factor_graph import Bools
from stagecut.passes.partition.orders.precedence import Precedence, mask

#: States after which the search gives up.
MOST_STATES = 150_000

#: The most bits of all their ideals together.
_MOST_BITS = 2_000_000_000

#: A difference this small, relative to the total, is rounding.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Joint:
    """`steps` are (node, device) in the order in which they run; None where nothing is cheaper than
    the ceiling. `complete` says that everything cheaper has been looked at."""

    steps: tuple[tuple[int, int], ...] | None
    complete: bool


@dataclass(slots=True)
class _State:
    """A state, the step that led to it and the state before. `done` is the ideal as a mask, `last`
    the device that ran last; `values` are those still wanted: (value, memory of its producer, mask
    of the memories that hold it)."""

    done: int
    last: int
    ready: tuple[int, ...]
    values: tuple[tuple[int, int, int], ...]
    used: tuple[float, ...]
    cost: float
    step: tuple[int, int]
    before: "_State | None"

    @property
    def key(self) -> tuple[int, int, tuple[tuple[int, int, int], ...], tuple[float, ...]]:
        return self.done, self.last, self.values, self.used

    def steps(self) -> tuple[tuple[int, int], ...]:
        steps = []
        state: _State | None = self
        while state is not None and state.before is not None:
            steps.append(state.step)
            state = state.before
        return tuple(reversed(steps))


def cheapest_schedule(
    arrays: TableArrays,
    device_memory: Sequence[int],
    device_start: Sequence[float],
    ruled_out: Bools,
    ceiling: float,
    precedence: Precedence,
    most_states: int = MOST_STATES,
) -> Joint:
    """The cheapest schedule below `ceiling`, without the devices (N, D) that are ruled out.

    `device_memory` and `device_start` have an entry for each device. Graphs that have more nodes
    than states are looked at are not searched at all: an ideal takes a bit for each node.
    """
    most_states = min(most_states, _MOST_BITS // max(arrays.nodes, 1))
    if arrays.nodes > most_states:
        return Joint(None, complete=False)
    search = _Search(arrays, device_memory, device_start, ruled_out, precedence)
    return search(ceiling, most_states)


class _Search:
    def __init__(
        self,
        arrays: TableArrays,
        device_memory: Sequence[int],
        device_start: Sequence[float],
        ruled_out: Bools,
        precedence: Precedence,
    ) -> None:
        nodes = arrays.nodes
        able = np.isfinite(arrays.cost) & ~ruled_out
        self._precedence = precedence
        self._memory = list(device_memory)
        self._start = list(device_start)
        self._run = arrays.cost.tolist()
        self._able = [np.flatnonzero(row).tolist() for row in able]
        self._only = [row[0] if len(row) == 1 else -1 for row in self._able]
        self._transfer = arrays.transfer.tolist()
        self._stop = arrays.before.tolist()
        self._limits = arrays.limits.tolist()
        self._uses = arrays.uses[:, :, arrays.place].transpose(1, 2, 0).tolist()
        self._place_free = arrays.transfer_uses is None
        produced = arrays.producer >= 0
        self._reads: list[list[int]] = [[] for _ in range(nodes)]
        readers: list[list[int]] = [[] for _ in arrays.producer]
        for value, node in arrays.reads.T.tolist():
            if produced[value]:
                self._reads[node].append(value)
                readers[value].append(node)
        self._readers = [mask(some) for some in readers]
        self._wanted = [np.flatnonzero(row).tolist() for row in arrays.wanted]
        self._writes: list[list[int]] = [[] for _ in range(nodes)]
        self._bound: list[tuple[int, int]] = []
        for value, producer in enumerate(arrays.producer.tolist()):
            if producer >= nodes:
                place = int(np.flatnonzero(np.isfinite(arrays.run[producer]))[0])
                self._bound.append((value, int(arrays.memory[place])))
            elif producer >= 0:
                self._writes[producer].append(value)
        self._least = arrays.cost.min(axis=1, where=able, initial=math.inf).tolist()
        #: What the nodes of each ideal cost at the least.
        self._spent: dict[int, float] = {0: 0.0}

    def __call__(self, ceiling: float, most_states: int) -> Joint:
        if not self._place_free:  # energies of transfers are not followed here
            return Joint(None, complete=False)
        level = {state.key: state for state in self._first()}
        rest = math.fsum(self._least)
        limit = ceiling * (1 - _ROUNDING)
        seen = 0
        for _ in range(len(self._precedence)):
            following: dict[object, _State] = {}
            for state in level.values():
                for new in self._following(state):
                    if new.cost + rest - self._spent_after(state.done, new) >= limit:
                        continue
                    known = following.get(new.key)
                    if known is None or new.cost < known.cost:
                        following[new.key] = new
                seen += 1
            if seen + len(following) > most_states:
                return Joint(None, complete=False)
            level = {state.key: state for state in following.values()}
        best = min(level.values(), key=lambda state: state.cost, default=None)
        return Joint(None if best is None else best.steps(), complete=True)

    def _spent_after(self, before: int, new: _State) -> float:
        """What the nodes that have run cost at the least, transfers and starts left out."""
        if new.done not in self._spent:
            self._spent[new.done] = self._spent[before] + self._least[new.step[0]]
        return self._spent[new.done]

    def _first(self) -> Iterator[_State]:
        """The state in which nothing has run; inputs that no node reads have been transferred to
        the memories in which they must end."""
        values: list[tuple[int, int, int]] = []
        cost = 0.0
        for value, memory in self._bound:
            if self._readers[value]:
                values.append((value, memory, 1 << memory))
            else:
                cost += self._deliver(value, memory, 1 << memory, self._wanted[value])[0]
        if math.isfinite(cost):
            used = (0.0,) * len(self._limits)
            ready = self._precedence.ready(0, range(len(self._precedence)))
            yield _State(0, -1, tuple(ready), tuple(values), used, cost, (-1, -1), None)

    def _deliver(
        self, value: int, source: int, held: int, targets: Sequence[int]
    ) -> tuple[float, int]:
        """What transferring a value to `targets` costs, and the mask of the memories that hold it
        then; `held` is the mask before. Infinite where no links lead there."""
        cost, route_cost, stop = 0.0, self._transfer[value][source], self._stop[value][source]
        for target in targets:
            at = target
            while not held >> at & 1:
                if math.isinf(route_cost[at]):
                    return math.inf, held
                held |= 1 << at
                cost += route_cost[at] - route_cost[stop[at]]
                at = stop[at]
        return cost, held

    def _following(self, state: _State) -> Iterator[_State]:
        for node in state.ready:
            if state.last >= 0 and self._only[node] == state.last:
                yield from self._after(state, node, state.last)
                return
        for node in state.ready:
            for device in self._able[node]:
                yield from self._after(state, node, device)

    def _after(self, state: _State, node: int, device: int) -> Iterator[_State]:
        """The state once `node` has run on `device`; none where that is impossible."""
        used = tuple(
            amount + more for amount, more in zip(state.used, self._uses[node][device], strict=True)
        )
        if any(amount > limit for amount, limit in zip(used, self._limits, strict=True)):
            return
        memory, done = self._memory[device], state.done | 1 << node
        cost = state.cost + self._run[node][device]
        cost += self._start[device] if device != state.last else 0.0
        reads = set(self._reads[node])
        values: list[tuple[int, int, int]] = []
        for value, source, held in state.values:
            now = held
            if value in reads:
                more, now = self._deliver(value, source, held, (memory,))
                cost += more
            if self._readers[value] & ~done:
                values.append((value, source, now))
            else:
                cost += self._deliver(value, source, now, self._wanted[value])[0]
        for value in self._writes[node]:
            if self._readers[value] & ~done:
                values.append((value, memory, 1 << memory))
            else:
                cost += self._deliver(value, memory, 1 << memory, self._wanted[value])[0]
        if math.isfinite(cost):
            values.sort()
            new = self._precedence.ready(done, self._precedence.after[node])
            ready = tuple(other for other in state.ready if other != node) + tuple(new)
            step = (node, device)
            yield _State(done, device, ready, tuple(values), used, cost, step, state)
