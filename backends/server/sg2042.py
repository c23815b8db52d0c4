"""The SG2042 as a server, from its figures."""

from stagecut.backends.server.figures import Values
from stagecut.backends.server.machine import Kernels, Server

#: CPU numbers of the NUMA nodes, as its kernel counts them.
NODES = (
    (*range(8), *range(16, 24)),
    (*range(8, 16), *range(24, 32)),
    (*range(32, 40), *range(48, 56)),
    (*range(40, 48), *range(56, 64)),
)
CLUSTER_CORES = 4

_CORES = sum(map(len, NODES))


def sg2042(values: Values) -> Server:
    """A core has as many lines on their way from the last cache as from memory, and they come as
    much sooner as its latency is shorter: Little's law."""
    sooner = values["dram_line_s"] / values["cache_line_s"]
    return Server(
        "sg2042",
        NODES,
        CLUSTER_CORES,
        l2_bytes=values["l2_bytes"],
        cache_bytes=values["cache_bytes"],
        cache_core_bytes_per_s=sooner * values["dram_core_bytes_per_s"],
        cache_bytes_per_s=values["cache_bytes_per_s"],
        dram_core_bytes_per_s=values["dram_core_bytes_per_s"],
        dram_bytes_per_s=values["dram_bytes_per_s"],
        remote=values["remote"],
        l2_line_s=values["l2_line_s"],
        cache_line_s=values["cache_line_s"],
        residency=values["residency"],
    )


def kernels_of(values: Values) -> Kernels:
    """Those of a framework without kernels of its own for this core. A vector has twice as many
    numbers in single precision as in the double one of the published products."""
    return Kernels(
        product_flop_per_s=2 * values["dgemm_flop_per_s"] / _CORES,
        map_per_s=values["map_per_s"],
        operator_s=values["operator_s"],
        grain_elements=int(values["grain_elements"]),
        tile_elements=int(values["tile_elements"]),
        serialised=values["serialised"],
        overlap=values["overlap"],
        serial=values["serial"],
    )
