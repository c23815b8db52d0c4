"""What calls are made of on a server: for each operator a segment, of arithmetic and of traffic.

Weights and values come from where they are kept: a cluster's L2 if all that its teams use again and
again fits in it, else the last cache if that holds what all use, else the memory of the node where
they lie. What another cluster wrote comes by way of the last cache. What is read from an L2 costs
nothing beyond what kernels take whose data are in their caches.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from stagecut.backends.server.machine import Kernels, Server
from stagecut.backends.server.placement import Placement, Team
from stagecut.backends.server.work import Work, WorkingSet
from stagecut.compiler.ir.fluid import Pool, Segment, Traffic, coarse

#: A call has up to twice so many segments, whatever the number of its operators.
_WINDOWS = 6

#: The pool of the last cache; those of the nodes' memories follow.
_CACHE = 0


def pools_of(server: Server) -> tuple[Pool, ...]:
    each = server.dram_bytes_per_s / len(server.nodes)
    memories = (Pool(f"memory of node {index}", each) for index in range(len(server.nodes)))
    return (Pool("last cache", server.cache_bytes_per_s), *memories)


@dataclass(frozen=True)
class ServerCalls:
    """The calls of a placement on a server.

    `in_one_node` is the part of the weights that whoever loaded them left in the first node's
    memory, where they do not lie in each team's own; the rest is spread over all.
    """

    server: Server
    kernels: Kernels
    placement: Placement
    in_one_node: float = 0.0

    def __call__(self, stage: int, replica: int, inputs: int) -> Sequence[Segment]:
        key = (stage, replica, inputs)
        if key not in self._known:
            self._known[key] = coarse(self.segments(*key), _WINDOWS)
        return self._known[key]

    @cached_property
    def _known(self) -> dict[tuple[int, int, int], tuple[Segment, ...]]:
        return {}

    def segments(self, stage: int, replica: int, inputs: int) -> list[Segment]:
        """One for each node."""
        team = self.placement.teams[stage][replica]
        in_l2 = min(self._kept_in_l2[self.server.cluster_of(core)] for core in team)
        homes = self._homes(team)
        works = self.placement.stages[stage]
        return [
            self.segment(work, team, inputs, in_l2, homes, handed_over=stage > 0 and not index)
            for index, work in enumerate(works)
        ]

    def alone_s(self, work: Work, team: Team, in_l2: float) -> float:
        """What a team takes for one operator while nothing else runs."""
        return self.segment(work, team, 1, in_l2, self._homes(team), handed_over=False).alone_s

    def segment(
        self,
        work: Work,
        team: Team,
        inputs: int,
        in_l2: float,
        homes: Sequence[float],
        *,
        handed_over: bool,
    ) -> Segment:
        """`in_l2` is the part of the weights that is found there, `homes` says in which part they
        lie in the memory of each node; `handed_over` is what another team has written."""
        server = self.server
        threads = self._threads(work, len(team), inputs)
        helping = team[:threads]
        clusters = len({server.cluster_of(core) for core in helping})
        value_bytes, weight_bytes = work.value_bytes * inputs, work.weight_bytes * (1 - in_l2)
        kept = server.kept(value_bytes, clusters * server.l2_bytes)
        others = 1.0 if handed_over else 1 - 1 / clusters
        passed_bytes = kept * others * work.read_bytes * inputs
        spilled_bytes = weight_bytes + (1 - kept) * value_bytes
        missed_bytes = (1 - self._kept_in_cache) * spilled_bytes
        cached_bytes = passed_bytes + spilled_bytes - missed_bytes
        cache_s = cached_bytes / (threads * server.cache_core_bytes_per_s)
        traffic = [(_CACHE, cached_bytes, cache_s)]
        for node, part in enumerate(homes):
            away = sum(server.node_of[core] != node for core in helping) / threads
            size = missed_bytes * part
            alone_s = size / (threads * server.dram_core_bytes_per_s)
            traffic.append((1 + node, size, alone_s * (1 + away * (server.remote - 1))))
        barriers_s = 2 * self.kernels.barrier(server, helping) if threads > 1 else 0.0
        return Segment(
            self.kernels.operator_s + barriers_s,
            self._compute_s(work, inputs) * self._share(work, threads, inputs),
            tuple(Traffic(*each) for each in traffic if each[1] > 0),
            self.kernels.overlap,
        )

    def _threads(self, work: Work, most: int, inputs: int) -> int:
        kernels = self.kernels
        grain = kernels.tile_elements if work.kind == "product" else kernels.grain_elements
        return max(1, min(most, work.elements * inputs // grain))

    def _share(self, work: Work, threads: int, inputs: int) -> float:
        """The part of an operator's arithmetic that the busiest thread has."""
        if threads == 1:
            return 1.0
        even = 1 / threads
        if work.kind == "product":
            tiles = -(-work.elements * inputs // self.kernels.tile_elements)
            even = -(-tiles // threads) / tiles
        return self.kernels.serial + (1 - self.kernels.serial) * even

    def _compute_s(self, work: Work, inputs: int) -> float:
        """Of one thread, with everything in its caches."""
        kernels = self.kernels
        if work.compute_s is not None:
            slower = 1.0
            if work.kind == "product":
                slower = kernels.rate(work.rows) / kernels.rate(work.rows * inputs)
            return work.compute_s * inputs * slower
        if work.kind == "product":
            return work.flops * inputs / kernels.rate(work.rows * inputs)
        moved = work.elements if work.kind == "move" else 0
        return max(work.flops, moved) * inputs / kernels.map_per_s

    @cached_property
    def _kept_in_l2(self) -> dict[int, float]:
        """Of what the teams in each cluster use again and again, the part that is found there."""
        needed: dict[int, float] = defaultdict(float)
        for works, teams in zip(self.placement.stages, self.placement.teams, strict=True):
            used = WorkingSet.of(works)
            for team in teams:
                clusters = {self.server.cluster_of(core) for core in team}
                for cluster in clusters:
                    needed[cluster] += (used.weight_bytes + used.value_bytes) / len(clusters)
        return {each: self.server.kept(size, self.server.l2_bytes) for each, size in needed.items()}

    @cached_property
    def _kept_in_cache(self) -> float:
        needed = 0.0
        for works, teams in zip(self.placement.stages, self.placement.teams, strict=True):
            used = WorkingSet.of(works)
            copies = 1 if self.placement.shared else len(teams)
            needed += copies * used.weight_bytes + len(teams) * used.value_bytes
        return self.server.kept(needed, self.server.cache_bytes)

    def _homes(self, team: Team) -> tuple[float, ...]:
        """The part of a team's weights in the memory of each node."""
        nodes = len(self.server.nodes)
        if self.placement.home == "own node":
            mine = [self.server.node_of[core] for core in team]
            return tuple(mine.count(node) / len(mine) for node in range(nodes))
        spread = (1 - self.in_one_node) / nodes
        return tuple(spread + (self.in_one_node if node == 0 else 0.0) for node in range(nodes))
