"""See the package: `python -m benchmarks.throughput --help`."""

import argparse
import tempfile
import time
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
    rows: list[dict[str, Any]] = []
    for name in options.models:
        row = _row(name, options)
        if row is not None:  # kept at once: the next one may take long
            rows.append(row)
            document = {"machine": describe_machine(), "rows": rows}
            keep("throughput", document, partial(draw, rows), options.output)
    summarise(rows)


def _row(name: str, options: argparse.Namespace) -> dict[str, Any] | None:
    """Of one model, of which nothing stays in memory; None where it is not there."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        model = model_called(name, Path(folder))
        if model is None:
            print(f"{name}: left out, rapidocr-onnxruntime is not installed")
            return None
        start_s = time.monotonic()
        plan = the_plan(model, options.effort, stack)
        others = [*_others(model, stack)]
        ready_s = time.monotonic()
        load = ForeignLoad()
        take_turns(plan, others, options.rounds, options.final)
        end_s = time.monotonic()
        taken = f"ready after {ready_s - start_s:.0f} s, {end_s - ready_s:.0f} s of turns"
        print(f"{name}: {load}; {taken}")
        return told(name, [plan, *others])


def _arguments() -> argparse.Namespace:
    claim = (benchmarks.throughput.__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser("python -m benchmarks.throughput", description=claim)
    parser.add_argument("--rounds", type=int, default=5, help="heats of each rival")
    parser.add_argument("--final", type=int, default=15, help="turns of those that lead the heats")
    parser.add_argument("--effort", default="normal", choices=EFFORTS, help="of the compile")
    return with_models(parser, KNOWN)


def _others(model: Model, stack: ExitStack) -> Iterator[Rival]:
    yield from onnxruntime(model, stack)
    yield from openvino(model)
    if model.module is not None:
        yield from torch_native(model.module, stack)


if __name__ == "__main__":
    main()
