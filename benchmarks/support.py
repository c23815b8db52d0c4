"""What the benchmarks share: the machine in one line, medians with their spread, PP-OCR's files."""

import importlib.util
import statistics
from collections.abc import Sequence
from pathlib import Path

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


def pp_ocr_file(name: str) -> Path | None:
    """A model that comes with PyPI's rapidocr-onnxruntime; None where that is not installed."""
    package = importlib.util.find_spec("rapidocr_onnxruntime")
    if package is None or package.origin is None:
        return None
    return Path(package.origin).parent / "models" / name
