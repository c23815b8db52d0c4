"""Give every node and every value of a model a name of its own, over all its bodies.

Outputs keep their names whatever happens, then inputs, then weights: users see these. onnx_ir's
NameFixPass lets sibling bodies share names, and names outputs that were left out on purpose, which
makes operators compute them.
"""

from collections.abc import Iterator

import onnx_ir as ir

from stagecut.compiler.frontends.normal_form.walk import defined


def give_names(model: ir.Model) -> None:
    """Name every node and value; outputs that nobody reads stay nameless if they were."""
    graphs = list(model.graphs())
    values = _Names(value.name for graph in graphs for value in defined(graph))
    for value in _values_by_rank(graphs):
        if value.name or value.uses() or value.is_graph_output():
            value.name = values.name(value.name or "value")
    nodes = _Names(node.name for graph in graphs for node in graph)
    for graph in graphs:
        for node in graph:
            node.name = nodes.name(node.name or node.op_type)


def _values_by_rank(graphs: list[ir.Graph]) -> Iterator[ir.Value]:
    """Every value once: those with the first right to their names come first."""
    main = graphs[0]
    ranked = (*main.outputs, *(value for graph in graphs for value in defined(graph)))
    yield from dict.fromkeys(ranked)


class _Names:
    """Hands out names, each once; a new name is also none of those that were there before."""

    def __init__(self, present: Iterator[str | None]) -> None:
        self._present = {name for name in present if name}
        self._given: set[str] = set()
        self._count: dict[str, int] = {}

    def name(self, wanted: str) -> str:
        """`wanted` if it is free, else `wanted_1`, `wanted_2`, ..."""
        chosen = wanted
        while chosen in self._given or (chosen != wanted and chosen in self._present):
            self._count[wanted] = self._count.get(wanted, 0) + 1
            chosen = f"{wanted}_{self._count[wanted]}"
        self._given.add(chosen)
        return chosen
