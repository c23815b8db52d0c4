"""A server with a shared memory, and the kernels that run on it.

NUMA node   one of the controllers of the memory, and the clusters next to it
  cluster   cores that share an L2
all         share a last cache, through which clusters see each other's data
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Server:
    """`nodes` are the CPU numbers of each NUMA node; clusters are `cluster_cores` consecutive ones.

    Rates are of one core (`core_...`), or of all together. `remote` is how many times as long the
    memory of another node takes. `l2_line_s` and `cache_line_s` are what it takes until a core sees
    what another one wrote, in its cluster or in another one. `residency` says what is left in a
    cache of a working set that is larger: with 0 nothing, as where the least recently used is
    replaced and all is used in turn; with 1 as much as fits, as where replacement is random.
    """

    name: str
    nodes: tuple[tuple[int, ...], ...]
    cluster_cores: int
    l2_bytes: float
    cache_bytes: float
    cache_core_bytes_per_s: float
    cache_bytes_per_s: float
    dram_core_bytes_per_s: float
    dram_bytes_per_s: float
    remote: float
    l2_line_s: float
    cache_line_s: float
    residency: float

    @cached_property
    def cores(self) -> tuple[int, ...]:
        """Their CPU numbers, in order."""
        return tuple(sorted(core for node in self.nodes for core in node))

    @cached_property
    def node_of(self) -> dict[int, int]:
        return {core: index for index, node in enumerate(self.nodes) for core in node}

    @cached_property
    def clusters(self) -> tuple[tuple[int, ...], ...]:
        """The nearest to each other stand side by side: node by node."""
        step = self.cluster_cores
        return tuple(
            tuple(sorted(node)[at : at + step])
            for node in self.nodes
            for at in range(0, len(node), step)
        )

    def cluster_of(self, core: int) -> int:
        return core // self.cluster_cores

    def kept(self, working_set_bytes: float, cache_bytes: float) -> float:
        """The part of a working set that is found in a cache when it is needed again."""
        if working_set_bytes <= cache_bytes:
            return 1.0
        return self.residency * cache_bytes / working_set_bytes


@dataclass(frozen=True, slots=True)
class Kernels:
    """What software makes of the machine's cores.

    `product_flop_per_s` and `map_per_s` (elements, in and out) are of one core whose data are in
    its caches; `rows` are rates of products with few rows in their left operand, as parts of the
    former. Each operator costs `operator_s`, whoever helps with it, on one core. A map has a thread
    for every `grain_elements` that it writes, a product one for every `tile_elements`. Starting
    threads and waiting for them takes two barriers, in each of which as many lines pass from core
    to core as there are steps in a tree of the team (`serialised` 0), or cores in it (1), and
    `barrier_s` besides. Of what is shared out, `serial` stays with one core.
    """

    product_flop_per_s: float
    map_per_s: float
    operator_s: float
    grain_elements: int
    tile_elements: int
    serialised: float
    overlap: float
    barrier_s: float = 0.0
    serial: float = 0.0
    rows: tuple[tuple[int, float], ...] = ((1, 1.0),)

    def rate(self, rows: int) -> float:
        """Of a product, in operations a second; between two known numbers of rows, linear in their
        logarithms."""
        below = [known for known in self.rows if known[0] <= rows]
        above = [known for known in self.rows if known[0] >= rows]
        if not below or not above:
            part = (below[-1:] or above[:1])[0][1]
        else:
            (low, slow), (high, fast) = below[-1], above[0]
            way = math.log(rows / low) / math.log(high / low) if high > low else 0.0
            part = slow + way * (fast - slow)
        return self.product_flop_per_s * part

    def barrier(self, server: Server, team: Sequence[int]) -> float:
        """Seconds until all of a team know that all are there."""
        size = len(team)
        if size == 1:
            return 0.0
        clusters = {server.cluster_of(core) for core in team}
        line_s = server.l2_line_s if len(clusters) == 1 else server.cache_line_s
        steps = math.log2(size)
        return self.barrier_s + line_s * steps * math.pow(size / steps, self.serialised)
