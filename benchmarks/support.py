"""What the benchmarks share: the machine in one line, medians with their spread, which models are
asked for, where results are kept, PP-OCR's files."""

import argparse
import importlib.util
import json
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
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


def with_models(parser: argparse.ArgumentParser, known: Iterable[str]) -> argparse.Namespace:
    """What is asked for, `models` as a list and `output` as a folder among it; ends with a sentence
    where a model is none of those `known`."""
    every = ",".join(known)
    parser.add_argument("--models", default=every, help=f"some of {every}")
    parser.add_argument("--output", type=Path, default=Path("out"), help="folder for the results")
    options = parser.parse_args()
    options.models = options.models.split(",")
    for name in options.models:
        if name not in every.split(","):
            parser.error(f"there is no model {name!r}; known: {every.replace(',', ', ')}")
    return options


def keep(
    name: str, document: Mapping[str, object], draw: Callable[[Path], None] | None, output: Path
) -> None:
    """Write NAME.json and, where there is what draws it, NAME.png into the folder `output`."""
    output.mkdir(parents=True, exist_ok=True)
    (output / f"{name}.json").write_text(json.dumps(document, indent=1))
    if draw is not None:
        draw(output / f"{name}.png")
    written = f"{name}.json" if draw is None else f"{name}.json and {name}.png"
    print(f"wrote {written} into {output}")


def pp_ocr_file(name: str) -> Path | None:
    """A model that comes with PyPI's rapidocr-onnxruntime; None where that is not installed."""
    package = importlib.util.find_spec("rapidocr_onnxruntime")
    if package is None or package.origin is None:
        return None
    return Path(package.origin).parent / "models" / name
