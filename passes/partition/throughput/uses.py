"""What an input uses of a budget, by node and by value on its way, in the columns of the solver.

energy     run_j / batch of a node, as a call's is shared by its inputs; transfer_j of a value
others     what the table says of nodes; transfers use nothing
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stagecut.compiler.ir.costs import ENERGY, CostTable
from stagecut.compiler.ir.machine import HOST, Device, Route
from stagecut.passes.partition.exact.factor_graph import Floats, Ints

#: What is more than a limit, of 2 to the power of 44 units at the most, counts as so many, so that
#: sums over 60,000 nodes stay exact.
_MOST = 1 << 46


@dataclass(frozen=True, slots=True)
class Uses:
    """Of one budget: `run` (N, D) of nodes; `bring` and `take` (V, D) of values on their way into
    a device's memory, and back. 0 where a device cannot run a node, or there is no way."""

    run: Floats
    bring: Floats
    take: Floats

    @classmethod
    def of(cls, table: CostTable, devices: Sequence[Device], budget: str) -> "Uses":
        run = np.array(
            [[_of_node(node.run_j, node.uses, budget, each) for each in devices]
             for node in table.nodes]
        ).reshape(len(table.nodes), len(devices))  # fmt: skip
        if budget != ENERGY:
            nothing = np.zeros((len(table.values), len(devices)))
            return cls(run, nothing, nothing)
        return cls(
            run,
            _transfers(table, [Route(HOST, each.memory) for each in devices]),
            _transfers(table, [Route(each.memory, HOST) for each in devices]),
        )

    @property
    def most(self) -> float:
        """No pipeline uses more."""
        return float(self.run.max(axis=1).sum() + self.bring.sum() + self.take.sum())

    def counted(self, unit: float) -> "CountedUses":
        return CountedUses(*(_counted(each, unit) for each in (self.run, self.bring, self.take)))


@dataclass(frozen=True)
class UsesByBudget:
    """Of each budget of the table, and of energy; made when they are first asked for, as most
    streams are without such limits."""

    table: CostTable
    devices: Sequence[Device]

    def __getitem__(self, budget: str) -> Uses:
        if budget not in {ENERGY, *(each.name for each in self.table.budgets)}:
            raise KeyError(budget)
        if budget not in self._known:
            self._known[budget] = Uses.of(self.table, self.devices, budget)
        return self._known[budget]

    @cached_property
    def _known(self) -> dict[str, Uses]:
        return {}


@dataclass(frozen=True, slots=True)
class CountedUses:
    """`Uses` in whole numbers of a unit."""

    run: Ints
    bring: Ints
    take: Ints


def _counted(amounts: Floats, unit: float) -> Ints:
    return np.rint(np.minimum(amounts / unit, _MOST)).astype(np.int64)


def _of_node(
    run_j: Mapping[str, float],
    uses: Mapping[str, Mapping[str, float]],
    budget: str,
    device: Device,
) -> float:
    if budget == ENERGY:
        return run_j.get(device.name, 0.0) / device.batch
    return uses.get(budget, {}).get(device.name, 0.0)


def _transfers(table: CostTable, routes: Sequence[Route]) -> Floats:
    rows = [[_transfer_j(table, value.name, route) for route in routes] for value in table.values]
    return np.array(rows, dtype=np.float64).reshape(len(table.values), len(routes))


def _transfer_j(table: CostTable, value: str, route: Route) -> float:
    cost = None if route.source == route.target else table.transfer(value, route)
    return 0.0 if cost is None or cost.energy_j is None else cost.energy_j
