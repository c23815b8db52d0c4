"""Blocks that repeat one after the other, as the layers of a network: they are drawn once.

    nodes   embed | a b c | a b c | a b c | head      first 1, period 3, copies 3

Copies are alike: the same operators on the same devices, wired alike, and the stages of one copy
follow those of the copy before, or are the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stagecut.compiler.report.model.content import Report
from stagecut.compiler.report.model.edges import edges

#: Graphs of no more nodes are seen as a whole.
_SMALL = 30

#: The fewest nodes of a block, and the fewest that folding it must leave out.
_LEAST_PERIOD, _LEAST_HIDDEN = 3, 6

#: The most nodes of a block.
_MOST_PERIOD = 400


@dataclass(frozen=True, slots=True)
class Fold:
    """`copies` blocks of `period` nodes each, the first of which begins with node `first`.

    Each copy runs in stages that are `stages` further than those of the copy before; 0 where all
    copies share theirs.
    """

    first: int
    period: int
    copies: int
    stages: int = 0

    @property
    def end(self) -> int:
        return self.first + self.period * self.copies

    @property
    def hidden(self) -> int:
        return self.period * (self.copies - 1)

    def members(self, node: int) -> range:
        """The nodes for which a node of the first block stands, itself the first of them."""
        return range(node, self.end, self.period)


@dataclass(frozen=True, slots=True)
class _Node:
    kind: tuple[str, str]
    stage: int
    reads: tuple[int, ...]


def folds(report: Report) -> tuple[Fold, ...]:
    """Those that leave out most, from the first node to the last; none overlap."""
    if len(report.nodes) <= _SMALL:
        return ()
    nodes = _nodes(report)
    found = list[Fold]()
    open_ranges = [range(len(nodes))]
    while open_ranges:
        within = open_ranges.pop()
        best = max(_candidates(nodes, within), key=_worth, default=None)
        if best is not None:
            found.append(best)
            open_ranges += [range(within.start, best.first), range(best.end, within.stop)]
    return tuple(sorted(found, key=lambda fold: fold.first))


def _worth(fold: Fold) -> tuple[int, int]:
    return fold.hidden, -fold.period


def _nodes(report: Report) -> list[_Node]:
    reads: list[list[int]] = [[] for _ in report.nodes]
    for edge in edges(report):
        if edge.target is not None:
            reads[edge.target].append(-1 if edge.source is None else edge.source)
    return [
        _Node((node.op, node.device), node.stage, tuple(read))
        for node, read in zip(report.nodes, reads, strict=True)
    ]


def _candidates(nodes: Sequence[_Node], within: range) -> Iterator[Fold]:
    """For each period the longest stretches that repeat."""
    for period in range(_LEAST_PERIOD, min(_MOST_PERIOD, len(within) // 2) + 1):
        start = within.start
        for at in range(within.start, within.stop - period + 1):
            if at < within.stop - period and _alike(nodes, at, period):
                continue
            if at > start and at - start + period >= 2 * period:
                yield from _aligned(
                    nodes, range(max(within.start, start - period), at + period), period
                )
            start = at + 1


def _alike(nodes: Sequence[_Node], at: int, period: int) -> bool:
    """Whether a node and the one a period later are alike, and read alike."""
    node, later = nodes[at], nodes[at + period]
    return node.kind == later.kind and _read_alike(node.reads, later.reads, period)


def _read_alike(reads: Sequence[int], later: Sequence[int], period: int) -> bool:
    """From the block before in the same place, or from the same node outside."""
    return len(reads) == len(later) and all(
        b in (a, a + period) for a, b in zip(reads, later, strict=True)
    )


def _aligned(nodes: Sequence[_Node], stretch: range, period: int) -> Iterator[Fold]:
    """The stretch, from the first node from which its copies have stages of their own, or the same.

    It may begin a period early: the first block reads what is not a block, such as an embedding.
    """
    for first in range(stretch.start, min(stretch.start + 2 * period, stretch.stop)):
        copies = (stretch.stop - first) // period
        if copies < 2:
            return
        fold = Fold(first, period, copies, nodes[first + period].stage - nodes[first].stage)
        if fold.hidden < _LEAST_HIDDEN:
            return
        if _begins(nodes, fold) and _has_own_stages(nodes, fold):
            yield fold
            return


def _begins(nodes: Sequence[_Node], fold: Fold) -> bool:
    """Whether the first block is like the second, but for what it reads from before it."""
    block = range(fold.first, fold.first + fold.period)
    for at in block:
        node, later = nodes[at], nodes[at + fold.period]
        if node.kind != later.kind or len(node.reads) != len(later.reads):
            return False
        for a, b in zip(node.reads, later.reads, strict=True):
            if b not in (a, a + fold.period) and not (a < fold.first and b in block):
                return False
    return True


def _has_own_stages(nodes: Sequence[_Node], fold: Fold) -> bool:
    """Whether the stages of the copies are as far apart as the fold says, and hold nothing else
    where they are not the same."""
    block = range(fold.first, fold.first + fold.period)
    if any(
        nodes[at].stage != nodes[node].stage + copy * fold.stages
        for node in block
        for copy, at in enumerate(fold.members(node))
    ):
        return False
    own = {nodes[at].stage for at in block}
    if not fold.stages or own & {stage + fold.stages for stage in own}:
        return not fold.stages
    within = range(fold.first, fold.end)
    stages = {nodes[at].stage for at in within}
    return all(at in within for at, node in enumerate(nodes) if node.stage in stages)
