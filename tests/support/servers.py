"""A small server that can be reckoned by hand: 8 cores in clusters of 2, 2 NUMA nodes."""

from dataclasses import replace

from stagecut.backends.server.machine import Kernels, Server
from stagecut.backends.server.work import Kind, Work

SERVER = Server(
    "small",
    ((0, 1, 4, 5), (2, 3, 6, 7)),
    2,
    l2_bytes=1000,
    cache_bytes=8000,
    cache_core_bytes_per_s=100,
    cache_bytes_per_s=400,
    dram_core_bytes_per_s=10,
    dram_bytes_per_s=40,
    remote=2.0,
    l2_line_s=1.0,
    cache_line_s=10.0,
    residency=0.0,
)
KERNELS = Kernels(
    product_flop_per_s=100,
    map_per_s=10,
    operator_s=0.5,
    grain_elements=100,
    tile_elements=10,
    serialised=0.0,
    overlap=0.0,
)
#: Nothing but arithmetic takes any time.
FREE = replace(KERNELS, operator_s=0.0)


def work(
    name: str = "w",
    kind: Kind = "product",
    *,
    flops: int = 0,
    weights: int = 0,
    reads: int = 0,
    writes: int = 0,
    elements: int = 1000,
    rows: int = 1,
) -> Work:
    return Work(name, kind, flops, weights, reads, writes, elements, rows)
