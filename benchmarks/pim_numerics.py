"""Claim: what a PIM would compute is computed in at most three times the time of cpu.serial.

    python -m benchmarks.pim_numerics [--model zoo:bert-base:seq=128] [--device SPEC] [--rounds 5]

Everything that the device can run becomes stages of it. Each stage is prepared on the device, whose
results are made by numpy on this machine, and on cpu.serial, and both run it in turn. Nothing here
is the device's modelled time.
"""

import argparse
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.support import describe_machine
from stagecut import backends
from stagecut.compiler.formats.weights import write_weights
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.device import Backend, Executable, StageProgram, Tensor
from stagecut.compiler.ir.schedule import Run, Schedule
from stagecut.compiler.ir.transfers import stages_in
from stagecut.compiler.ir.units import seconds
from stagecut.passes.cluster.cluster import Cluster
from stagecut.passes.stage.extract import Extractor
from stagecut.passes.stage.stage import stage_programs


def main() -> None:
    options = _arguments()
    print(describe_machine())
    engines = backends.create_all(["cpu.serial", options.device])
    serial, device = engines.values()
    with TemporaryDirectory() as folder:
        programs = _programs(options.model, engines, Path(folder))
        operators = sum(len(program.model.graph) for program in programs)
        name = device.device.name
        print(f"{options.model}: {len(programs)} stages, {operators} operators on {name}")
        totals_s: dict[Backend, float] = {serial: 0.0, device: 0.0}
        for program in programs:
            for engine, median_s in _compare(program, (serial, device), options.rounds).items():
                totals_s[engine] += median_s
    for engine, total_s in totals_s.items():
        print(f"{engine.device.name:12} {seconds(total_s)}, sum of the stages' medians")
    print(f"{options.device} / cpu.serial = {totals_s[device] / totals_s[serial]:.2f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="zoo:bert-base:seq=128")
    parser.add_argument("--device", default="pim.hbm")
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


def _programs(model: str, engines: Mapping[str, Backend], folder: Path) -> Sequence[StageProgram]:
    """Those of the second engine's stages, where it runs all that it can."""
    program = load_program(model)
    graph = Cluster(engines)(graph_of(program))
    fallback, device = engines
    device_of = {
        node.name: device if engines[device].supports(node) else fallback for node in graph.nodes
    }
    stages = stages_in([*device_of], device_of)
    schedule = Schedule(stages, tuple(map(Run, range(len(stages)))))
    [weights] = write_weights([program.model], folder)
    programs = stage_programs(graph, schedule, Extractor(program, weights))
    return [each for stage, each in zip(stages, programs, strict=True) if stage.device == device]


def _compare(
    program: StageProgram, engines: Sequence[Backend], rounds: int
) -> Mapping[Backend, float]:
    """Medians; the inputs lie in each engine's own memory beforehand."""
    rng = np.random.default_rng(0)
    feeds = [rng.standard_normal(v.shape).astype(v.dtype) for v in program.inputs]
    prepared = [engine.prepare(program) for engine in engines]
    inputs = [_transferred(engine, feeds) for engine in engines]
    samples: list[list[float]] = [[] for _ in engines]
    for _ in range(rounds + 1):
        for run, tensors, times_s in zip(prepared, inputs, samples, strict=True):
            times_s.append(_time(run, tensors))
    medians = (statistics.median(times_s[1:]) for times_s in samples)
    return dict(zip(engines, medians, strict=True))


def _transferred(engine: Backend, feeds: Sequence[Tensor]) -> Sequence[Tensor]:
    links = [link for link in engine.links if link.target == engine.memory.name]
    return [links[0].transfer(feed) for feed in feeds] if links else feeds


def _time(run: Executable, tensors: Sequence[Tensor]) -> float:
    start_s = time.perf_counter()
    run(tensors)
    return time.perf_counter() - start_s


if __name__ == "__main__":
    main()
