"""How large a model becomes once its functions are inlined, which is known before it is done.

    F0 = Relu(Relu(x)),  F1 = F0(F0(x)),  F2 = F1(F1(x)), ...      F22 is 8 million nodes

A file of a few lines can ask for more nodes than any machine holds.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

import onnx_ir as ir

from stagecut.compiler.ir.errors import ModelError

#: The most nodes that functions may come to: more than any model that is known has.
_MOST_NODES = 200_000

#: The most names that may be tried in search of free ones: for the n-th copy of a name, n are, and
#: so many take about a minute.
_MOST_NAMES = 1e8


def check_inlined_size(model: ir.Model) -> None:
    """Raise ModelError where inlining its functions would make too much of `model`."""
    copies = _copies(model)
    nodes = sum(count * len(model.functions[name]) for name, count in copies.items())
    names: Counter[str | None] = Counter()
    for function, count in copies.items():
        for node in _nodes(model.functions[function]):
            names[node.name or "node"] += count
            names.update({output.name: count for output in node.outputs})
    if nodes <= _MOST_NODES and sum(count**2 for count in names.values()) / 2 <= _MOST_NAMES:
        return
    largest = max(copies, key=lambda name: copies[name] * len(model.functions[name]))
    raise ModelError(
        f"with its functions inlined it has {_count(nodes)} nodes: {largest[1]} alone would be "
        f"there {_count(copies[largest])} times",
        where=f"graph {model.graph.name}",
        fix=f"export it with functions that come to {_MOST_NODES} nodes or fewer, each of which is "
        "called some thousand times at the most",
    )


def _copies(model: ir.Model) -> Mapping[ir.OperatorIdentifier, int]:
    """How often each function would be there; none where they call each other in a circle, which is
    said when they are inlined."""
    calls = {name: _calls(function, model) for name, function in model.functions.items()}
    try:
        order = [*TopologicalSorter(calls).static_order()]
    except CycleError:
        return {}
    copies = _calls(model.graph, model)
    for caller in reversed(order):
        for callee, times in calls[caller].items():
            copies[callee] += times * copies[caller]
    return copies


def _calls(graph: ir.Graph | ir.Function, model: ir.Model) -> "Counter[ir.OperatorIdentifier]":
    names = (node.op_identifier() for node in _nodes(graph))
    return Counter(name for name in names if name in model.functions)


def _nodes(graph: ir.Graph | ir.Function) -> Iterator[ir.Node]:
    return iter(ir.traversal.RecursiveGraphIterator(graph))


def _count(number: int) -> str:
    return str(number) if number < 10**9 else "more than a thousand million"
