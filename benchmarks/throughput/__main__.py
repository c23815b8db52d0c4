"""See the package: `python -m benchmarks.throughput --help`."""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import benchmarks.throughput
from benchmarks.support import describe_machine, keep, with_models
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
    found = (_row(name, options) for name in options.models)
    rows = [row for row in found if row is not None]
    summarise(rows)
    document = {"machine": describe_machine(), "rows": rows}
    keep("throughput", document, partial(draw, rows), options.output)


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
    parser.add_argument("--rounds", type=int, default=7, help="turns of each rival")
    parser.add_argument("--effort", default="normal", choices=EFFORTS, help="of the compile")
    return with_models(parser, KNOWN)


def _rivals(model: Model, effort: str, stack: ExitStack) -> Iterator[Rival]:
    yield the_plan(model, effort, stack)
    yield from onnxruntime(model, stack)
    yield from openvino(model)
    if model.module is not None:
        yield from torch_native(model.module, stack)


if __name__ == "__main__":
    main()
