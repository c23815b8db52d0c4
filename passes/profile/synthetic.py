"""Cost tables that measure nothing and lead the partition to given devices."""

from collections.abc import Callable

from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostTable, Endpoint, NodeCosts, ValueCosts
from stagecut.compiler.ir.machine import HOST


def synthetic_costs(expanded: ExpandedGraph, choose: Callable[[tuple[str, ...]], str]) -> CostTable:
    """`choose` picks from each node's candidates: that one is free, every other one costs a second,
    and transfers cost nothing."""
    nodes = []
    for node in expanded.graph.nodes:
        candidates = expanded.candidates[node.name]
        chosen = choose(candidates)
        nodes.append(
            NodeCosts(
                node.name,
                node.op,
                {name: 0.0 if name == chosen else 1.0 for name in candidates},
                tuple(value.name for value in node.inputs),
                tuple(value.name for value in node.outputs),
            )
        )
    free = dict.fromkeys(expanded.machine.links_on, 0.0)
    return CostTable(
        expanded.graph.name,
        expanded.machine,
        tuple(ValueCosts(value.name, value.size_bytes, free) for value in expanded.graph.values),
        tuple(nodes),
        tuple(Endpoint(value.name, HOST) for value in expanded.graph.inputs),
        tuple(Endpoint(value.name, HOST) for value in expanded.graph.outputs),
    )


def unmeasured(expanded: ExpandedGraph) -> CostTable:
    """Each node is best on the first device that can run it."""
    return synthetic_costs(expanded, lambda candidates: candidates[0])
