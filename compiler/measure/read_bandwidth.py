"""How fast this process's CPUs read memory, by reading an array that no cache holds."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import numpy as np

from stagecut.compiler.measure.cpus import usable_cpus

#: More than the caches of a CPU of today.
_SIZE_BYTES = 1 << 28
_READS = 5


def read_bandwidth(
    size_bytes: int = _SIZE_BYTES, clock: Callable[[], float] = perf_counter
) -> float:
    """Bytes a second, the best of several reads by all CPUs together: other work on the machine
    takes from it, and nothing adds to it."""
    array = np.ones(max(size_bytes, 8) // 8, np.int64)
    parts = np.array_split(array, usable_cpus())
    best = 0.0
    with ThreadPoolExecutor(len(parts)) as threads:
        for _ in range(_READS):
            start_s = clock()
            list(threads.map(np.max, [part for part in parts if part.size]))
            best = max(best, array.nbytes / (clock() - start_s))
    return best
