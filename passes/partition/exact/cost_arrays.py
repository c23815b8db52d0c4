"""What running each node and moving each value costs by the objective, as arrays."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations
from typing import TypeVar

import numpy as np

from stagecut.compiler.ir.costs import CostTable, Route
from stagecut.compiler.ir.costs_check import check_energy
from stagecut.compiler.ir.objective import Objective
from stagecut.passes.partition.exact.factor_graph import Floats

Key = TypeVar("Key", str, Route)


def node_prices(table: CostTable, objective: Objective) -> Floats:
    """(N, devices): infinite where a node cannot run.

    Raises CostTableError where an energy is missing that the objective needs.
    """
    names = [device.name for device in table.machine.devices]
    price = objective.per_s * _read((node.run_s for node in table.nodes), names)
    if objective.per_j:
        check_energy(table)
        price += objective.per_j * _read((node.run_j for node in table.nodes), names)
    return _known(price.reshape(len(table.nodes), len(names)))


def move_prices(table: CostTable, objective: Objective) -> Floats:
    """(V, M, M): the value's own price, else the best link's, else that of the cheapest chain."""
    names = [memory.name for memory in table.machine.memories]
    size_bytes = np.array([value.size_bytes for value in table.values], dtype=np.float64)
    direct = np.zeros((len(table.values), len(names), len(names)))
    for (i, source), (j, target) in permutations(enumerate(names), 2):
        route: Route = (source, target)
        time_s = _read((value.move_s for value in table.values), [route])
        links_s = [
            link.latency_s + size_bytes / link.bytes_per_s
            for link in table.machine.links
            if (link.source, link.target) == route
        ]
        if links_s:
            time_s = np.where(np.isnan(time_s), np.min(links_s, axis=0), time_s)
        direct[:, i, j] = objective.per_s * time_s
        if objective.per_j:
            energy_j = _read((value.move_j for value in table.values), [route])
            direct[:, i, j] += objective.per_j * energy_j
    direct = _known(direct)
    return np.where(np.isinf(direct), _chained(direct), direct)


def _read(costs: Iterable[Mapping[Key, float]], keys: Sequence[Key]) -> Floats:
    """Each mapping's entry for each key, NaN where it has none."""
    return np.fromiter((each.get(key, np.nan) for each in costs for key in keys), np.float64)


def _known(price: Floats) -> Floats:
    return np.where(np.isnan(price), np.inf, price)


def _chained(direct: Floats) -> Floats:
    """The cheapest chain of direct moves between all pairs (Floyd-Warshall, for all values)."""
    chained = direct.copy()
    for via in range(direct.shape[1]):
        np.minimum(chained, chained[:, :, via, None] + chained[:, None, via, :], out=chained)
    return chained
