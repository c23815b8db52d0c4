"""Cut a model into the stages of a pipeline, one for each team, the slowest as fast as can be.

    works      a b | c d e | f          in their order
    each       3 2   2 2 1   5          a stage takes 5 at the most; none could take less

What a stage takes depends on whether its weights are kept in its team's L2, which its own size
decides. Least periods are found by bisection: for a given one, stages are filled one after the
other, which needs as few as can be, as no part of a stage takes longer than all of it.
"""

from collections.abc import Sequence

from stagecut.backends.server.calls import ServerCalls
from stagecut.backends.server.machine import Kernels, Server
from stagecut.backends.server.placement import Placement, Team
from stagecut.backends.server.work import Work

#: To that part of the period.
_CLOSE = 1e-3


def cut(
    server: Server, kernels: Kernels, works: Sequence[Work], count: int, team: Team
) -> tuple[tuple[Work, ...], ...]:
    """At most `count` stages for teams like `team`."""
    lone = ServerCalls(server, kernels, Placement("", (tuple(works),), ((team,),), "own node"))
    costs = _Costs(server, lone, works, team)
    low_s, high_s = 0.0, costs.of(0, len(works))
    best = [(0, len(works))]
    while high_s - low_s > _CLOSE * high_s:
        middle_s = (low_s + high_s) / 2
        found = _filled(costs, middle_s, len(works), count)
        if found is None:
            low_s = middle_s
        else:
            best, high_s = found, middle_s
    return tuple(tuple(works[first:end]) for first, end in best)


def _filled(costs: "_Costs", most_s: float, end: int, count: int) -> list[tuple[int, int]] | None:
    """None where more stages would be needed."""
    found: list[tuple[int, int]] = []
    first = 0
    while first < end:
        last = first
        while last < end and costs.of(first, last + 1) <= most_s:
            last += 1
        if last == first or len(found) == count:
            return None
        found.append((first, last))
        first = last
    return found


class _Costs:
    """What stretches of works take, by themselves."""

    def __init__(
        self, server: Server, calls: ServerCalls, works: Sequence[Work], team: Team
    ) -> None:
        self._server = server
        self._works = works
        clusters = len({server.cluster_of(core) for core in team})
        self._l2_bytes = clusters * server.l2_bytes
        self._near_s = [calls.alone_s(work, team, 1.0) for work in works]
        self._far_s = [calls.alone_s(work, team, 0.0) for work in works]

    def of(self, first: int, end: int) -> float:
        stretch = self._works[first:end]
        weight_bytes = sum(work.weight_bytes for work in stretch)
        value_bytes = max((work.value_bytes for work in stretch), default=0)
        kept = self._server.kept(weight_bytes + value_bytes, self._l2_bytes)
        return kept * sum(self._near_s[first:end]) + (1 - kept) * sum(self._far_s[first:end])
