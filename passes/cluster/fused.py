"""Merge regions that a device runs as one kernel.

Before (capable devices in brackets):      After:
  %s = MatMul(%q, %k)    [cpu chip]          %o = MatMul+Mul+Softmax+MatMul(%q, %k, %v)  [cpu chip]
  %t = Mul(%s, 0.125)    [cpu chip]
  %p = Softmax(%t)       [cpu chip]
  %o = MatMul(%p, %v)    [cpu chip]

A region is merged where a device gains by it: it runs the whole, and does not run some part, or
models the whole as faster than its parts one by one. Every device that runs all parts has to run
the whole. A product with a weight that reads an attention, whose heads it joins, is merged with it
by the same rule (a fused concatenation and projection).

What it rules out: schedules that run a region's parts on several devices, one that runs only some
of the parts among them. The proof of a schedule is about the graph with its regions merged.
"""

from collections.abc import Mapping, Sequence

from stagecut.compiler.ir.device import Backend
from stagecut.compiler.ir.graph import Graph, Node
from stagecut.compiler.ir.regions import Attention, regions
from stagecut.passes.cluster.groups import Groups
from stagecut.passes.cluster.joined import joined
from stagecut.passes.cluster.views import is_view

_PRODUCTS = frozenset({"MatMul", "Gemm"})


def merge_regions(graph: Graph, groups: Groups, backends: Mapping[str, Backend]) -> None:
    """Merge them in `groups`, which are single operators or what had to be glued together."""
    whose = [(operator, at) for at, node in enumerate(graph.nodes) for operator in node.operators]
    place = {operator.name: at for operator, at in whose}
    operators = [operator for operator, _ in whose]
    kept = [value.name for value in graph.outputs]
    for region in regions(operators, kept):
        members = [place[operator.name] for operator in region.operators]
        if any(len(groups.members(groups.of(at))) > 1 for at in members):
            continue
        whole = _merged(graph, groups, backends, [[at] for at in members])
        if whole and isinstance(region, Attention):
            projection = _projection(graph, groups, members[-1])
            if projection:
                _merged(graph, groups, backends, [members, *([at] for at in projection)])


def _merged(
    graph: Graph, groups: Groups, backends: Mapping[str, Backend], parts: Sequence[Sequence[int]]
) -> bool:
    """Whether a device gains by it; if so, all parts are one group."""
    nodes = [_node(graph, part) for part in parts]
    whole = _node(graph, [at for part in parts for at in part])
    able = frozenset(name for name, backend in backends.items() if backend.supports(whole))
    gains = [_gains(backends[name], nodes, whole) for name in able]
    if not any(gains) or any(
        all(map(backend.supports, nodes)) and name not in able for name, backend in backends.items()
    ):
        return False
    last = groups.of(parts[-1][-1])
    for part in reversed(parts):
        # by then all that read this part are in the group
        for at in reversed(part):
            if groups.of(at) != last:
                last = groups.merge(groups.of(at), last)
    groups.set_able(last, able)
    return True


def _node(graph: Graph, members: Sequence[int]) -> Node:
    """The members as one node, whose result is that of the last one."""
    nodes = [graph.nodes[at] for at in members]
    return nodes[0] if len(nodes) == 1 else joined(nodes, nodes[-1].outputs)


def _gains(backend: Backend, parts: Sequence[Node], whole: Node) -> bool:
    if not all(map(backend.supports, parts)):
        return True
    estimates = [backend.estimate(node) for node in (whole, *parts)]
    times = [estimate.run_s for estimate in estimates if estimate is not None]
    return len(times) == len(estimates) and times[0] < sum(times[1:])


def _projection(graph: Graph, groups: Groups, last: int) -> list[int]:
    """The views behind an attention and the product with a weight that reads them, where nothing
    else reads any of it; empty where there is none."""
    chain: list[int] = []
    at = groups.only_reader(groups.of(last))
    while at is not None and len(groups.members(at)) == 1 and at not in chain:
        node = graph.nodes[at]
        chain.append(at)
        if node.op in _PRODUCTS:
            return chain if len(node.inputs) == 1 and node.weights else []
        if not is_view(node.operators[0]) or len(node.inputs) > 1:
            return []
        at = groups.only_reader(at)
    return []
