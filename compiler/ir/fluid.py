"""Work on a modelled machine as a fluid: segments of calls, and the bandwidth that they share.

Two segments of which each computes for 1 ms and reads for 1 ms at the pool's full rate:

    alone          compute 1 ms | read 1 ms                       2 ms
    both           compute 1 ms | read, waiting w times as long   1 ms + w * 1 ms

While both run, each is in its reads for w / (1 + w) of its time, and the pool gives all it has when
2 / (1 + w) = 1: w is 1, and nobody waits. A third one makes w = 2: all of them take 3 ms.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pool:
    """Bandwidth that all share who use it: a memory's, or a cache's."""

    name: str
    bytes_per_s: float

    def __post_init__(self) -> None:
        if not self.bytes_per_s > 0:
            raise AssertionError(self)


@dataclass(frozen=True, slots=True)
class Traffic:
    """`size_bytes` by way of the pool with that index, which takes `alone_s` where nobody waits."""

    pool: int
    size_bytes: float
    alone_s: float

    def __post_init__(self) -> None:
        if self.pool < 0 or self.size_bytes < 0 or self.alone_s <= 0:
            raise AssertionError(self)


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a call in which the same thing goes on all the time.

    `fixed_s` is what nothing else on the machine can lengthen, such as barriers; `overlap` is the
    part of the shorter one of computing and waiting for memory that is hidden behind the longer:
    1 is the roofline, 0 a core that does one thing at a time.
    """

    fixed_s: float = 0.0
    compute_s: float = 0.0
    traffic: tuple[Traffic, ...] = ()
    overlap: float = 0.0

    def __post_init__(self) -> None:
        if min(self.fixed_s, self.compute_s) < 0 or not 0 <= self.overlap <= 1:
            raise AssertionError(self)

    def took_s(self, waits: Sequence[float]) -> float:
        """Seconds, where traffic of pool i takes `waits[i]` times as long as alone."""
        memory_s = sum(each.alone_s * waits[each.pool] for each in self.traffic)
        shorter_s, longer_s = sorted((self.compute_s, memory_s))
        return self.fixed_s + longer_s + (1 - self.overlap) * shorter_s

    @property
    def alone_s(self) -> float:
        """Seconds on a machine that does nothing else."""
        return self.took_s((1.0,) * (1 + max((each.pool for each in self.traffic), default=0)))

    @property
    def computes(self) -> bool:
        """Whether computing is the longer part."""
        return self.compute_s >= sum(each.alone_s for each in self.traffic)


def coarse(segments: Sequence[Segment], windows: int) -> tuple[Segment, ...]:
    """Fewer segments, which take as long alone and move as much.

    Of those that begin in each of so many parts of the whole time, those that compute for longer
    than they move become one, and those that move for longer another; those that take no time are
    left out.
    """
    window_s = sum(segment.alone_s for segment in segments) / windows
    found: list[Segment] = []
    group: list[Segment] = []
    now_s = 0.0
    for segment in segments:
        if now_s >= window_s * (1 + len(found) // 2) and group:
            found += _grouped(group)
            group = []
        group.append(segment)
        now_s += segment.alone_s
    return tuple(segment for segment in (*found, *_grouped(group)) if segment.alone_s) or (
        Segment(),
    )


def _grouped(segments: Sequence[Segment]) -> tuple[Segment, Segment]:
    computing = [segment for segment in segments if segment.computes]
    moving = [segment for segment in segments if not segment.computes]
    return _sum(computing), _sum(moving)


def _sum(segments: Sequence[Segment]) -> Segment:
    """One after the other."""
    traffic: dict[int, tuple[float, float]] = {}
    for segment in segments:
        for each in segment.traffic:
            size_bytes, alone_s = traffic.get(each.pool, (0.0, 0.0))
            traffic[each.pool] = (size_bytes + each.size_bytes, alone_s + each.alone_s)
    return Segment(
        sum(segment.fixed_s for segment in segments),
        sum(segment.compute_s for segment in segments),
        tuple(Traffic(pool, *sums) for pool, sums in sorted(traffic.items())),
        segments[0].overlap if segments else 0.0,
    )
