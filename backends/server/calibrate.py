"""What nodes take whose data are in a core's caches, from what they took on the machine itself.

measured   compute | from memory, partly hidden       compute_s   compute
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from stagecut.backends.server.calls import ServerCalls
from stagecut.backends.server.machine import Kernels, Server
from stagecut.backends.server.placement import Placement
from stagecut.backends.server.work import Work
from stagecut.compiler.ir.fluid import Segment


def calibrated(
    server: Server,
    kernels: Kernels,
    works: Sequence[Work],
    measured_s: Mapping[str, float],
    whole_s: float,
) -> tuple[Work, ...]:
    """`works` with times of their own: what one thread took for each, all of them stretched or
    shrunk together so that they add up to what it took for the whole model, less the traffic of the
    same model on one core of this server."""
    scale = whole_s / sum(measured_s[work.name] for work in works)
    core = server.cores[:1]
    calls = ServerCalls(server, kernels, Placement("", (tuple(works),), ((core,),), "own node"))
    return tuple(
        replace(work, compute_s=_computing_s(segment, scale * measured_s[work.name]))
        for work, segment in zip(works, calls.segments(0, 0, 1), strict=True)
    )


def _computing_s(segment: Segment, took_s: float) -> float:
    """The computing with which `segment`, whose own is not asked for, takes so long; none where its
    traffic takes longer by itself."""
    memory_s = sum(each.alone_s for each in segment.traffic)
    left_s = took_s - segment.fixed_s
    in_turn = 1 - segment.overlap
    longer_s = left_s - in_turn * memory_s  # if computing is the longer part
    if longer_s >= memory_s:
        return longer_s
    return max(0.0, (left_s - memory_s) / in_turn) if in_turn else 0.0
