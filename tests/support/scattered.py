"""Cost tables that force a given assignment, so that any plan can be made without measuring."""

import random
from collections.abc import Sequence

from stagecut import backends
from stagecut.compiler.costs import CostTable, Endpoint, NodeCosts, ValueCosts
from stagecut.compiler.expanded import ExpandedGraph
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.view import graph_of
from stagecut.compiler.machine import HOST
from stagecut.compiler.program import Program
from stagecut.passes.cluster import Cluster, Granularity
from stagecut.passes.expand import Expand


def expand(program: Program, devices: Sequence[str], granularity: Granularity) -> ExpandedGraph:
    """The expanded graph as `compile_model` sees it."""
    engines = backends.create_all(devices)
    return Expand(engines)(Cluster(engines, granularity)(graph_of(program)))


def scattered_costs(
    model: object, devices: Sequence[str], *, seed: int, granularity: Granularity = "cluster"
) -> CostTable:
    """A table by which the optimum puts every node on a random device that can run it."""
    return costs_of(expand(load_program(model), devices, granularity), seed)


def costs_of(expanded: ExpandedGraph, seed: int) -> CostTable:
    """The chosen device of each node is free, every other one costs a second, copies nothing."""
    choose = random.Random(seed)  # noqa: S311  # nothing secret
    nodes = []
    for node in expanded.graph.nodes:
        candidates = expanded.candidates[node.name]
        chosen = choose.choice(candidates)
        nodes.append(
            NodeCosts(
                node.name,
                node.op,
                {name: 0.0 if name == chosen else 1.0 for name in candidates},
                tuple(value.name for value in node.inputs),
                tuple(value.name for value in node.outputs),
            )
        )
    free = dict.fromkeys(expanded.links, 0.0)
    return CostTable(
        expanded.graph.name,
        expanded.machine,
        tuple(ValueCosts(value.name, value.size_bytes, free) for value in expanded.graph.values),
        tuple(nodes),
        tuple(Endpoint(value.name, HOST) for value in expanded.graph.inputs),
        tuple(Endpoint(value.name, HOST) for value in expanded.graph.outputs),
    )
