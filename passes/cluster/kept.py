"""Merge nodes where a device keeps in place what one hands to the other.

Before (all on [cpu chip]):                After, where the chip keeps rows for less:
  %u = Norm+MatMul+Gelu(%x)                  %y, %h = Norm+MatMul+Gelu+MatMul+Add+Norm+MatMul(%x)
  %y = MatMul+Add(%u, %x)
  %h = Norm+MatMul(%y)

Only devices that keep values between nodes (`Keeping`) are asked, and only about neighbours that
the same devices can run: a pair is merged where one of those models the whole as faster than both
by themselves, and all of them run the whole. What it rules out: schedules that run the two on
different devices.
"""

from collections.abc import Mapping, Sequence

from stagecut.compiler.ir.device import Backend, Keeping
from stagecut.compiler.ir.graph import Graph, Node
from stagecut.passes.cluster.groups import Groups
from stagecut.passes.cluster.joined import joined

#: What is no more than this part of the time is rounding, and no gain.
_ROUNDING = 1e-9


def merge_kept(
    graph: Graph, groups: Groups, backends: Mapping[str, Backend], sent: Sequence[bool]
) -> None:
    """Merge them in `groups`, but for nodes that write what is `sent`; in the graph's order."""
    if not any(map(_keeps, backends.values())):
        return
    around = _Around(graph)
    for index in range(len(graph.nodes)):
        group: int | None = groups.of(index)
        while group is not None:
            group = _merged(groups, around, backends, group, sent)


def _merged(
    groups: Groups,
    around: "_Around",
    backends: Mapping[str, Backend],
    group: int,
    sent: Sequence[bool],
) -> int | None:
    """The number of `group` with the first neighbour by which a device gains; None if none does."""
    for neighbour in groups.safe_neighbours(group):
        able = groups.able(group)
        parts = [groups.members(group), groups.members(neighbour)]
        if groups.able(neighbour) != able or any(sent[at] for part in parts for at in part):
            continue
        one, other = map(around.node, parts)
        whole = around.node(sorted([*parts[0], *parts[1]]))
        engines = [backends[name] for name in sorted(able)]
        gains = any(_keeps(each) and _gains(each, one, other, whole) for each in engines)
        if gains and all(each.supports(whole) for each in engines):
            return groups.merge(group, neighbour)
    return None


def _keeps(backend: Backend) -> bool:
    return isinstance(backend, Keeping) and backend.keeps_values


def _gains(backend: Backend, one: Node, other: Node, whole: Node) -> bool:
    if not backend.supports(whole):
        return False
    together, *apart = (backend.estimate(node) for node in (whole, one, other))
    if together is None or None in apart:
        return False
    apart_s = sum(estimate.run_s for estimate in apart if estimate is not None)
    return together.run_s < apart_s * (1 - _ROUNDING)


class _Around:
    """Makes nodes of several, which hand out what is read outside of them."""

    def __init__(self, graph: Graph) -> None:
        self._nodes = graph.nodes
        self._readers: dict[str, set[int]] = {value.name: {-1} for value in graph.outputs}
        for index, node in enumerate(graph.nodes):
            for value in node.inputs:
                self._readers.setdefault(value.name, set()).add(index)

    def node(self, members: Sequence[int]) -> Node:
        nodes, inside = [self._nodes[at] for at in members], set(members)
        if len(nodes) == 1:
            return nodes[0]
        written = [value for node in nodes for value in node.outputs]
        read = (self._readers.get(value.name, set()) for value in written)
        return joined(nodes, [v for v, by in zip(written, read, strict=True) if not by <= inside])
