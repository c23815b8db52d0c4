"""What nodes of one program were found to take, for another one in which most of them are, too: of
two measurements of the same thing, a difference would be noise.

known   a: 2.0 ms   b: 1.0 ms         measured anew   a: 2.1 ms   a/again.0: 2.2 ms   c: 0.3 ms
        taken                                         a: 2.0 ms   a/again.0: 2.0 ms   c: 0.3 ms
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from stagecut.compiler.ir.costs import CostTable, NodeCosts
from stagecut.compiler.ir.graph import Graph, Node
from stagecut.passes.rewrite.again import run_again

#: The operators that are merged into a node, by their names in the model.
_Operators: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KnownCosts:
    """Of nodes, by what they are made of, and of starting a stage, by the device."""

    nodes: Mapping[_Operators, NodeCosts]
    start_s: Mapping[str, float]

    @classmethod
    def of(cls, graph: Graph, table: CostTable) -> "KnownCosts":
        nodes = {_operators(node): table.node_named[node.name] for node in graph.nodes}
        return cls(nodes, {device.name: device.stage_s for device in table.machine.devices})

    def __call__(self, graph: Graph, table: CostTable) -> CostTable:
        """The table of `graph` in which nodes with known operators, or copies of these, take what
        is known, on the devices of which it is."""
        found = {node.name: self.nodes.get(_operators(node)) for node in graph.nodes}
        devices = tuple(
            replace(device, stage_s=self.start_s.get(device.name, device.stage_s))
            for device in table.machine.devices
        )
        return replace(
            table,
            machine=replace(table.machine, devices=devices),
            nodes=tuple(_as_known(node, found.get(node.name)) for node in table.nodes),
        )


def _operators(node: Node) -> _Operators:
    return tuple(run_again(operator.name) for operator in node.operators)


def _as_known(node: NodeCosts, known: NodeCosts | None) -> NodeCosts:
    if known is None:
        return node
    run_s = {name: known.run_s.get(name, each) for name, each in node.run_s.items()}
    return replace(node, run_s=run_s, run_spread={**node.run_spread, **known.run_spread})
