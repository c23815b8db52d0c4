"""Costs as they are in a stream: with all cores busy, in stages as long as those that were run.

    profiled alone          a 4   b 2   c 2         everything in one stage: 8
    observed loaded         a, b, c in one call of 12, two replicas at once
    loaded                  a 6   b 3   c 3
    observed loaded         a in a call of 7, then b, c in a call of 5
    loaded                  a 7   b 3   c 2 -> b 2.5, c 2.5

Nodes are profiled one at a time, in turns, on a machine that does nothing else. In a stream other
replicas take caches and bandwidth away, and an engine may fuse what it runs in one stage. So the
costs of nodes are scaled to what stages of them took in a stream: first by everything on one
device, then by the stages that the solver would choose, until it chooses what was observed.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from stagecut.compiler.ir.costs import CostTable, NodeCosts
from stagecut.compiler.ir.schedule import Stage


@dataclass(frozen=True, slots=True)
class ObservedCall:
    """A call of a stage in a stream took `call_s` on average, its start included."""

    stage: Stage
    call_s: float


def loaded(costs: CostTable, observed: Iterable[ObservedCall]) -> CostTable:
    """The table in which each observed stage takes what it took; later ones overrule earlier ones.

    A stage whose nodes cost nothing takes what it took in equal parts. Spreads are of what was
    profiled, and are left out for nodes whose costs are scaled.
    """
    nodes = dict(costs.node_named)
    for each in observed:
        device = each.stage.device
        names = each.stage.nodes
        left_s = max(0.0, each.call_s - costs.machine.device(device).stage_s)
        known_s = math.fsum(nodes[name].run_s[device] for name in names)
        for name in names:
            before_s = nodes[name].run_s[device]
            part = before_s / known_s if known_s else 1 / len(names)
            nodes[name] = _with_run(nodes[name], device, left_s * part)
    return replace(costs, nodes=tuple(nodes[node.name] for node in costs.nodes))


def _with_run(node: NodeCosts, device: str, run_s: float) -> NodeCosts:
    """What takes longer takes more energy, at the same power."""
    before_s = node.run_s[device]
    energies = dict(node.run_j)
    if device in energies and before_s:
        energies[device] *= run_s / before_s
    spreads = {name: spread for name, spread in node.run_spread.items() if name != device}
    return replace(node, run_s={**node.run_s, device: run_s}, run_j=energies, run_spread=spreads)
