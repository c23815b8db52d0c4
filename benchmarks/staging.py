"""Claim: dividing a model into stages costs next to nothing, in time and in memory.

    python -m benchmarks.staging [--stages 8] [--rounds 30] [--model zoo:bert-base:seq=128]

Runs the model forced into stages on cpu.parallel against the whole model in one ONNX Runtime
session with the same number of threads, interleaved in one run; then loads each in a process of
its own and compares their private memory (anonymous pages; weights mapped from a file are shared).
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx_ir as ir

from benchmarks.support import describe_machine, quartiles
from stagecut import backends
from stagecut.compiler.formats.weights import write_weights
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.device import Feeds, StagedSchedule, StageProgram
from stagecut.compiler.ir.graph import Value
from stagecut.compiler.ir.program import Program
from stagecut.compiler.ir.schedule import Run, Schedule, Stage
from stagecut.compiler.ir.units import size
from stagecut.compiler.measure.cpus import usable_cpus
from stagecut.compiler.onnx_runtime import ort
from stagecut.passes.cluster.cluster import Cluster
from stagecut.passes.stage.extract import Extractor
from stagecut.passes.stage.stage import stage_programs
from stagecut.runtime.executor import Executor

DEVICE = "cpu.parallel"


def main() -> None:
    options = _arguments()
    print(describe_machine())
    with TemporaryDirectory() as text:
        folder = Path(text)
        program = load_program(options.model)
        staged = _divided(program, options.stages, folder)
        ir.save(program.model.clone(), folder / "whole.onnx", external_data="whole.data")
        _compare_times(staged, program.feeds, folder, options.rounds)
        _compare_memory(staged, program.feeds, folder)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="zoo:bert-base:seq=128")
    parser.add_argument("--stages", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=40)
    return parser.parse_args()


def _divided(program: Program, count: int, folder: Path) -> StagedSchedule:
    """Equal numbers of nodes in each stage."""
    graph = Cluster(backends.create_all([DEVICE]))(graph_of(program))
    names = np.array([node.name for node in graph.nodes], object)
    schedule = _on_one_device([tuple(part) for part in np.array_split(names, count)])
    [weights] = write_weights([program.model], folder)
    programs = stage_programs(graph, schedule, Extractor(program, weights))
    return StagedSchedule(schedule, programs, (None,) * count)


def _on_one_device(parts: Sequence[tuple[str, ...]]) -> Schedule:
    stages = tuple(Stage(DEVICE, part) for part in parts)
    return Schedule(stages, tuple(map(Run, range(len(stages)))))


def _executor(staged: StagedSchedule) -> Callable[[Feeds], object]:
    outputs = [value.name for value in staged.programs[-1].outputs]
    return Executor(staged, outputs, backends.create_all([DEVICE])).run


def _whole(folder: Path) -> Callable[[Feeds], object]:
    """The model as its user would run it: one file, its weights in another, one session."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = usable_cpus()
    options.inter_op_num_threads = 1
    # Threads of the one that spin would slow the other down.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = ort.InferenceSession(
        folder / "whole.onnx", options, providers=["CPUExecutionProvider"]
    )
    return lambda feeds: session.run(None, dict(feeds))


def _compare_times(staged: StagedSchedule, feeds: Feeds, folder: Path, rounds: int) -> None:
    runs = {"staged": _executor(staged), "whole": _whole(folder)}
    samples: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run(feeds)
    for _ in range(rounds):
        for name, run in runs.items():
            start_s = time.perf_counter()
            run(feeds)
            samples[name].append(time.perf_counter() - start_s)
    for name, times_s in samples.items():
        print(f"{name:7} {quartiles(times_s)}")
    ratio = statistics.median(samples["staged"]) / statistics.median(samples["whole"])
    print(f"time: {len(staged.programs)} stages / whole model = {ratio:.3f}")


def _compare_memory(staged: StagedSchedule, feeds: Feeds, folder: Path) -> None:
    for program in staged.programs:
        proto = ir.to_proto(program.model)
        (folder / f"{program.name}.onnx").write_bytes(proto.SerializeToString())
    arrays: dict[str, Any] = dict(feeds)  # numpy's stubs take them for its own options
    np.savez(folder / "feeds.npz", **arrays)
    found_bytes = {}
    for name in ("staged", "whole"):
        command = [sys.executable, "-m", "benchmarks.staging", "memory", name, str(folder)]
        found_bytes[name] = int(subprocess.check_output(command, text=True))
        print(f"{name:7} {size(found_bytes[name])} private")
    ratio = found_bytes["staged"] / found_bytes["whole"]
    print(f"memory: {len(staged.programs)} stages / whole model = {ratio:.3f}")


def load_staged(folder: Path) -> Callable[[Feeds], object]:
    """The stages that were written to `folder`, ready to run."""
    programs = []
    for path in sorted(folder.glob("stage-*.onnx")):
        model = ir.load(path)
        inputs, outputs = map(_values, (model.graph.inputs, model.graph.outputs))
        programs.append(StageProgram(path.stem, model, inputs, outputs))
    schedule = _on_one_device([()] * len(programs))
    return _executor(StagedSchedule(schedule, tuple(programs), (None,) * len(programs)))


def _values(values: Sequence[ir.Value]) -> tuple[Value, ...]:
    return tuple(Value(value.name or "", "float32", ()) for value in values)


def measure_memory(name: str, folder: Path) -> int:
    """Anonymous memory, in bytes, that loading one of the two and running it takes."""
    feeds = dict(np.load(folder / "feeds.npz"))
    before = _anonymous_bytes()
    run = load_staged(folder) if name == "staged" else _whole(folder)
    run(feeds)
    return _anonymous_bytes() - before


def _anonymous_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("this kernel does not tell anonymous memory apart")


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "memory":
        print(measure_memory(sys.argv[2], Path(sys.argv[3])))
    else:
        main()
