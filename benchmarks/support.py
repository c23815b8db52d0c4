"""What the benchmarks share: the machine in one line, medians with their spread."""

import statistics
from collections.abc import Sequence

from stagecut.compiler.ir.units import seconds
from stagecut.compiler.measure.cpus import usable_cpus
from stagecut.compiler.measure.environment import cpu_model, versions


def describe_machine() -> str:
    """The CPU and the versions that the figures were measured with."""
    found = ", ".join(f"{name} {version}" for name, version in versions().items())
    return f"{cpu_model()}, {usable_cpus()} CPUs; {found}"


def quartiles(times_s: Sequence[float]) -> str:
    """Median, the middle half, and the number of samples."""
    low_s, median_s, high_s = statistics.quantiles(times_s, n=4)
    middle = f"{seconds(low_s)} .. {seconds(high_s)}"
    return f"median {seconds(median_s)}, middle half {middle}, {len(times_s)} runs"


def spread(times_s: Sequence[float]) -> str:
    """Median and range, in one cell of a table."""
    low_s, high_s = min(times_s), max(times_s)
    return f"{seconds(statistics.median(times_s))} ({seconds(low_s)} .. {seconds(high_s)})"
