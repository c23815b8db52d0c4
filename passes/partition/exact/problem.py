"""A cost table prepared for elimination, to be solved once, or often at changing prices.

`prices` (B,) is what each unit of each budget costs, on top of everything else: how budgets are
relaxed (budgets.py). `Starts` says what of starting stages is counted (model.py). Neither changes
which nodes are neighbours, as long as the pairs stay the same, so that one order serves them all.
"""

from dataclasses import replace

import numpy as np

from stagecut.passes.partition.exact.arrays import TableArrays
from stagecut.passes.partition.exact.elimination import minimise
from stagecut.passes.partition.exact.factor_graph import Bools, Floats, Ints
from stagecut.passes.partition.exact.marginals import min_marginals
from stagecut.passes.partition.exact.model import MOST_MEMORIES, Model, Starts, factor_model
from stagecut.passes.partition.exact.ordering import Order, elimination_order

#: Table entries that an elimination may compute: a second or two and less than 1 GiB; and what it
#: may compute where it is repeated dozens of times, at changing prices or starts.
_MAX_ENTRIES, _MAX_REPEATED = 1e8, 2e7

#: Elimination takes a moment for so few entries, whatever else could be done.
_QUICK_ENTRIES = 2e6

#: So many entries take elimination as long as a nonzero of the integer program takes HiGHS.
_ENTRIES_PER_NONZERO = 1000


class Problem:
    """N nodes, D devices, B budgets, in the table's order; `order` is that of the elimination."""

    def __init__(self, arrays: TableArrays, starts: Starts, built: Model, order: Order) -> None:
        self.arrays = arrays
        self._starts = starts
        self._model = built
        self._order = order

    @classmethod
    def prepare(cls, arrays: TableArrays, starts: Starts) -> "Problem | None":
        """None where the graph is too wide for elimination: the work is known before it is done."""
        if arrays.wanted.shape[1] > MOST_MEMORIES and _has_relays(arrays):
            return None
        built = factor_model(arrays, starts)
        most = _MAX_REPEATED if arrays.start.any() or may_exceed(arrays) else _MAX_ENTRIES
        order = elimination_order(built.graph, max_entries=most)
        return None if order is None else cls(arrays, starts, built, order)

    def with_starts(self, starts: Starts) -> "Problem":
        """The same with other weights on the same pairs of nodes."""
        return Problem(self.arrays, starts, factor_model(self.arrays, starts), self._order)

    @property
    def width(self) -> int:
        return self._order.width

    @property
    def is_wide(self) -> bool:
        """Whether HiGHS is likely to need less time for the integer program."""
        nonzeros = _nonzeros(self.arrays)
        return self._order.entries > max(_QUICK_ENTRIES, _ENTRIES_PER_NONZERO * nonzeros)

    def cheapest(self, prices: Floats | None = None) -> tuple[Ints, float]:
        """The device of each node (N,) and the least value, infinite if nothing is possible."""
        priced = self._priced(prices)
        minimum = minimise(priced.graph, self._order)
        nodes = np.arange(self.arrays.nodes)
        return self.arrays.device[nodes, priced.places(minimum.states)], minimum.value

    def marginals(self, prices: Floats | None = None) -> Floats:
        """(N, D): the least value with each node on each device; only if any value is finite."""
        arrays, priced = self.arrays, self._priced(prices)
        places = arrays.run.shape[1]
        by_place = priced.by_place(min_marginals(priced.graph, self._order), places)
        best = arrays.run[: len(by_place), arrays.place]
        # Devices of one place differ in nothing but the node's own cost there.
        able = np.isfinite(arrays.cost)
        slower = np.subtract(arrays.cost, best, out=np.full(able.shape, np.inf), where=able)
        marginals: Floats = by_place[:, arrays.place] + slower
        return marginals

    def without(self, ruled_out: Bools) -> "Problem | None":
        """The problem without some devices (N, D) of some nodes; None where it has become too
        wide, which it hardly can."""
        arrays = without_devices(self.arrays, ruled_out)
        return Problem.prepare(arrays, self._starts)

    def _priced(self, prices: Floats | None) -> Model:
        if prices is None or not prices.any():
            return self._model
        return factor_model(at_prices(self.arrays, prices), self._starts)


def at_prices(arrays: TableArrays, prices: Floats) -> TableArrays:
    """The table with the price of what each node and transfer uses added to its cost."""
    run = arrays.run.copy()
    run[: arrays.nodes] += np.tensordot(prices, arrays.uses, axes=1)
    transfer = arrays.transfer
    if arrays.transfer_uses is not None:
        transfer = transfer + np.tensordot(prices, arrays.transfer_uses, axes=1)
    return replace(arrays, run=run, transfer=transfer)


def without_devices(arrays: TableArrays, ruled_out: Bools) -> TableArrays:
    """The table in which some nodes cannot run on some devices (N, D)."""
    cost = np.where(ruled_out, np.inf, arrays.cost)
    run, device = arrays.run.copy(), arrays.device.copy()
    for place in range(device.shape[1]):
        members = np.flatnonzero(arrays.place == place)
        device[:, place] = members[cost[:, members].argmin(axis=1)]
        run[: arrays.nodes, place] = cost[:, members].min(axis=1)
    return replace(arrays, cost=cost, run=run, device=device)


def used(arrays: TableArrays, devices: Ints) -> Floats:
    """(B,): what the nodes use of each budget, each on its device (N,), without transfers."""
    nodes = np.arange(arrays.nodes)
    uses: Floats = arrays.uses[:, nodes, arrays.place[devices]].sum(axis=1)
    return uses


def may_exceed(arrays: TableArrays) -> bool:
    """Whether some assignment may use more of a budget than there is."""
    if not len(arrays.limits):
        return False
    able = np.isfinite(arrays.run[: arrays.nodes])
    most = np.where(able, arrays.uses, 0.0).max(axis=2).sum(axis=1)
    if arrays.transfer_uses is not None:
        most = most + arrays.transfer_uses.max(axis=(2, 3)).sum(axis=1) * arrays.wanted.shape[1]
    return bool((most > arrays.limits).any())


def _nonzeros(arrays: TableArrays) -> int:
    """About how many the integer program has: two for each transfer that might happen, and one for
    each memory that a reader's value might come from."""
    values, memories = arrays.wanted.shape
    in_transfers, in_reads = 2 * memories * values, (memories + 1) * int(arrays.reads.shape[1])
    return int(memories * (in_transfers + in_reads) + 2 * arrays.cost.size)


def _has_relays(arrays: TableArrays) -> bool:
    source = np.arange(arrays.before.shape[1])[:, None]
    return bool(((arrays.before != source) & np.isfinite(arrays.transfer)).any())
