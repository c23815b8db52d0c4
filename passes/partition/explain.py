"""Why each node runs where it runs: the best plan with the node on each of its devices.

                          best plan with the node there
    a: cpu 3, pim 1       6 on cpu, 8 on pim: pim is faster for a, but the copy costs more
    b(a): cpu 3

All nodes and devices are answered by one elimination, inwards and outwards (min-marginals). Where
that is not enough, in graphs that are too wide and with memories that might be full, each question
is a search of its own, so ask for few nodes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from stagecut.compiler.ir.alternatives import Alternative, Alternatives
from stagecut.compiler.ir.costs import CostTable, NodeCosts
from stagecut.compiler.ir.errors import UnplaceableError, UsageError
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.solution import Solution
from stagecut.passes.partition.exact.problem import prepare
from stagecut.passes.partition.partition import Partition

#: Node -> device -> the least total with the node there.
Totals: TypeAlias = Mapping[str, Mapping[str, float]]

#: A difference that is smaller, relative to the total, is rounding.
_ROUNDING = 1e-9


def least_totals(table: CostTable, objective: Objective) -> Totals | None:
    """All answers at once, infinite where no plan has the node there; None where elimination is
    not enough to tell."""
    problem = prepare(table, objective)
    if problem is None or problem.may_be_full():
        return None
    names = [device.name for device in table.machine.devices]
    rows = problem.marginals().tolist()
    return {
        node.name: dict(zip(names, row, strict=True))
        for node, row in zip(table.nodes, rows, strict=True)
    }


@dataclass(frozen=True, slots=True)
class Explain:
    """`nodes` by name, or all; `limit_s` is how long each search may take."""

    nodes: tuple[str, ...] = ()
    objective: Objective = LATENCY
    limit_s: float = 60.0

    def __call__(self, table: CostTable) -> Alternatives:
        """Raises UsageError for a node that is not there, UnplaceableError as `partition` does."""
        asked = _named(table, self.nodes) if self.nodes else table.nodes
        best = Partition(self.objective, self.limit_s)(table)
        totals = least_totals(table, self.objective) or self._searched(table, asked)
        return Alternatives(
            best,
            tuple(device.name for device in table.machine.devices),
            {node.name: self._alternatives(node, totals[node.name], best) for node in asked},
        )

    def _searched(self, table: CostTable, asked: Sequence[NodeCosts]) -> Totals:
        return {
            node.name: {device: self._pinned(table, node, device) for device in node.run_s}
            for node in asked
        }

    def _pinned(self, table: CostTable, node: NodeCosts, device: str) -> float:
        """The least total with `node` on `device`, infinite where nothing fits."""
        pinned = replace(node, run_s={device: node.run_s[device]})
        nodes = tuple(pinned if each is node else each for each in table.nodes)
        try:
            found = Partition(self.objective, self.limit_s)(replace(table, nodes=nodes))
        except UnplaceableError:
            return math.inf
        return found.certificate.total

    def _alternatives(
        self, node: NodeCosts, totals: Mapping[str, float], best: Solution
    ) -> tuple[Alternative, ...]:
        least = best.certificate.total
        return tuple(
            Alternative(
                device=device,
                own=self.objective.price(node.run_s[device], node.run_j.get(device)),
                total=total,
                extra=0.0 if math.isclose(total, least, rel_tol=_ROUNDING) else total - least,
            )
            for device, total in totals.items()
            if device in node.run_s
        )


def _named(table: CostTable, names: Sequence[str]) -> list[NodeCosts]:
    nodes = {node.name: node for node in table.nodes}
    for name in names:
        if name not in nodes:
            raise UsageError(
                f"the cost table has no node {name!r}",
                fix="its nodes are listed by `stagecut partition --json`",
            )
    return [nodes[name] for name in names]
