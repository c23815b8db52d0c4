"""Why each node runs where it runs: what the best schedule costs with it on each of its devices.

                          least total with the node there
    a: cpu 3, pim 1       6 on cpu, 8 on pim: pim is faster for a, but the transfer costs more
    b(a): cpu 3

One elimination, inwards and outwards, answers for all nodes and devices (min-marginals). In graphs
that are too wide for it, with budgets that might be exceeded, and where starting stages costs
something, each pair of a node and a device is a search of its own, so ask for few nodes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from stagecut.compiler.ir.costs import CostTable, NodeCosts
from stagecut.compiler.ir.device import Progress, silent
from stagecut.compiler.ir.errors import UnplaceableError, UsageError
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.solution import Alternative, Alternatives, Solution, Totals
from stagecut.compiler.ir.standing import Told, nobody
from stagecut.compiler.ir.text import suggestion
from stagecut.passes.partition.partition import Partition

#: A difference that is smaller, relative to the total, is rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Explain:
    """`nodes` by name, or all; `limit_s` is how long each search may take, and `told` learns how it
    goes, `progress` how many nodes are done."""

    nodes: tuple[str, ...] = ()
    objective: Objective = LATENCY
    limit_s: float = 60.0
    told: Told = nobody
    progress: Progress = silent

    def __call__(self, table: CostTable) -> Alternatives:
        """Raises UsageError for a node that is not there, UnplaceableError as `partition` does."""
        asked = _named(table, self.nodes) if self.nodes else table.nodes
        partition = Partition(self.objective, self.limit_s, self.told)
        if self.objective.per_s and any(device.stage_s for device in table.machine.devices):
            # Another order may be cheaper with the node elsewhere.
            best, totals = partition(table), self._searched(table, asked)
        else:
            best, totals = partition.with_totals(table)
            totals = totals or self._searched(table, asked)
        return Alternatives(
            best,
            tuple(device.name for device in table.machine.devices),
            {node.name: self._alternatives(node, totals[node.name], best) for node in asked},
        )

    def _searched(self, table: CostTable, asked: Sequence[NodeCosts]) -> Totals:
        return {
            node.name: {device: self._pinned(table, node, device) for device in node.run_s}
            for node in self.progress(asked, "explaining nodes")
        }

    def _pinned(self, table: CostTable, node: NodeCosts, device: str) -> float:
        """The least total with `node` on `device`, infinite where nothing fits."""
        pinned = replace(node, run_s={device: node.run_s[device]})
        nodes = tuple(pinned if other is node else other for other in table.nodes)
        partition = Partition(self.objective, self.limit_s, self.told)
        try:
            best = partition(replace(table, nodes=nodes))
        except UnplaceableError:
            return math.inf
        return best.certificate.total

    def _alternatives(
        self, node: NodeCosts, totals: Mapping[str, float], best: Solution
    ) -> tuple[Alternative, ...]:
        least = best.certificate.total
        return tuple(
            Alternative(
                device=device,
                own=self.objective.price(node.run_s[device], node.run_j.get(device)),
                total=total,
                # less only where a search of its own went further than the best one's
                extra=max(0.0, total - least)
                if not math.isclose(total, least, rel_tol=_ROUNDING)
                else 0.0,
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
                fix=suggestion(name, nodes, "its nodes are listed by `stagecut partition --json`"),
            )
    return [nodes[name] for name in names]
