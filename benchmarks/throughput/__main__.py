"""See the package: `python -m benchmarks.throughput --help`."""

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import benchmarks.throughput
from benchmarks.support import describe_machine
from benchmarks.throughput.engines import onnxruntime, openvino
from benchmarks.throughput.models import KNOWN, Model, model_called
from benchmarks.throughput.plan import the_plan
from benchmarks.throughput.results import draw, summarise, told
from benchmarks.throughput.rival import Rival
from benchmarks.throughput.torch_native import torch_native
from benchmarks.throughput.turns import take_turns
from benchmarks.turns import ForeignLoad
from stagecut.compiler.context import EFFORTS


def main() -> None:
    options = _arguments()
    print(describe_machine())
    found = (_row(name, options) for name in options.models.split(","))
    rows = [row for row in found if row is not None]
    summarise(rows)
    options.output.mkdir(parents=True, exist_ok=True)
    document = {"machine": describe_machine(), "rows": rows}
    (options.output / "throughput.json").write_text(json.dumps(document, indent=1))
    draw(rows, options.output / "throughput.png")
    print(f"wrote throughput.json and throughput.png into {options.output}")


def _row(name: str, options: argparse.Namespace) -> dict[str, Any] | None:
    """Of one model, of which nothing stays in memory; None where it is not there."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        model = model_called(name, Path(folder))
        if model is None:
            print(f"{name}: left out, rapidocr-onnxruntime is not installed")
            return None
        rivals = [*_rivals(model, options.effort, stack)]
        load = ForeignLoad()
        take_turns(rivals, options.rounds)
        print(f"{name}: {load}")
        return told(name, rivals)


def _arguments() -> argparse.Namespace:
    claim = (benchmarks.throughput.__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser("python -m benchmarks.throughput", description=claim)
    known = ",".join(KNOWN)
    parser.add_argument("--models", default=known, help=f"some of {known}")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each rival")
    parser.add_argument("--effort", default="normal", choices=EFFORTS, help="of the compile")
    parser.add_argument("--output", type=Path, default=Path("out"), help="folder for the results")
    options = parser.parse_args()
    for name in options.models.split(","):
        if name not in KNOWN:
            parser.error(f"there is no model {name!r}; known: {', '.join(KNOWN)}")
    return options


def _rivals(model: Model, effort: str, stack: ExitStack) -> Iterator[Rival]:
    yield the_plan(model, effort, stack)
    yield from onnxruntime(model, stack)
    yield from openvino(model)
    if model.module is not None:
        yield from torch_native(model.module, stack)


if __name__ == "__main__":
    main()
