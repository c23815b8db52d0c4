"""A cost table made ready for the elimination: solved once, or often at changing prices.

`byte_prices` (M,) is what each byte of weights costs in each memory, on top of everything else:
how capacities are bargained with (capacity.py). The prices do not change who is whose neighbour,
so one order serves them all.
"""

from dataclasses import replace

import numpy as np

from stagecut.compiler.ir.assignment import Assignment
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.objective import Objective
from stagecut.passes.partition.exact.arrays import Columns, columns
from stagecut.passes.partition.exact.elimination import minimise
from stagecut.passes.partition.exact.factor_graph import Floats, Ints
from stagecut.passes.partition.exact.marginals import min_marginals
from stagecut.passes.partition.exact.model import Model, model
from stagecut.passes.partition.exact.ordering import Order, elimination_order

#: Table entries that an elimination may compute: some seconds and less than 2 GiB.
_MAX_ENTRIES = 2e8


def prepare(table: CostTable, objective: Objective) -> "Problem | None":
    """None where the graph is too wide for elimination.

    Raises CostTableError when the objective needs an energy that the table does not have.
    """
    arrays = columns(table, objective)
    built = model(arrays)
    order = elimination_order(built.graph, max_entries=_MAX_ENTRIES)
    return None if order is None else Problem(table, arrays, built, order)


class Problem:
    """N nodes, D devices, M memories, in the table's order."""

    def __init__(self, table: CostTable, arrays: Columns, built: Model, order: Order) -> None:
        self._table = table
        self._columns = arrays
        self._model = built
        self._order = order
        #: (M,): the bytes of weights that each memory can hold, infinite where there is no limit.
        self.room = np.array(
            [
                np.inf if memory.capacity_bytes is None else memory.capacity_bytes
                for memory in table.machine.memories
            ],
            np.float64,
        )

    @property
    def width(self) -> int:
        return self._order.width

    def cheapest(self, byte_prices: Floats | None = None) -> tuple[Ints, float]:
        """The device of each node (N,) and the least value, infinite if nothing is possible."""
        priced = self._priced(byte_prices)
        minimum = minimise(priced.graph, self._order)
        nodes = np.arange(len(self._table.nodes))
        return self._columns.device[nodes, priced.places(minimum.states)], minimum.value

    def marginals(self, byte_prices: Floats | None = None) -> Floats:
        """(N, D): the least value with each node on each device; only if any value is finite."""
        priced = self._priced(byte_prices)
        places = self._columns.run.shape[1]
        by_place = priced.by_place(min_marginals(priced.graph, self._order), places)
        best = self._columns.run[: len(by_place), self._columns.place]
        # Devices of one place differ in nothing but the node's own cost there.
        able = np.isfinite(self._columns.price)
        slower = np.subtract(self._columns.price, best, out=np.full(able.shape, np.inf), where=able)
        marginals: Floats = by_place[:, self._columns.place] + slower
        return marginals

    def _priced(self, byte_prices: Floats | None) -> Model:
        if byte_prices is None:
            return self._model
        nodes = len(self._table.nodes)
        run = self._columns.run.copy()
        run[:nodes] += self._columns.weights * byte_prices[self._columns.memory]
        return model(replace(self._columns, run=run))

    def held(self, devices: Ints) -> Floats:
        """(M,): the bytes of weights in each memory with each node on its device (N,)."""
        held = np.zeros(len(self.room))
        places = self._columns.place[devices]
        weights = self._columns.weights[np.arange(len(places)), places]
        np.add.at(held, self._columns.memory[places], weights)
        return held

    def may_be_full(self) -> bool:
        """Whether some assignment brings more weights into a memory than it can hold."""
        able = np.isfinite(self._columns.run[: len(self._table.nodes)])
        weights = np.where(able, self._columns.weights, 0.0)
        most = [
            weights[:, self._columns.memory == memory].max(axis=1).sum()
            for memory in range(len(self.room))
        ]
        return bool((np.array(most) > self.room).any())

    def fits(self, devices: Ints) -> bool:
        return bool((self.held(devices) <= self.room).all())

    def assignment(self, devices: Ints) -> Assignment:
        """The same by name."""
        names = [device.name for device in self._table.machine.devices]
        nodes = (node.name for node in self._table.nodes)
        return Assignment(dict(zip(nodes, (names[index] for index in devices), strict=True)))
