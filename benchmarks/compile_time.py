"""Where the time of a compile goes, by effort, and which plan each effort ships.

    python -m benchmarks.compile_time [--model zoo:bert-base:seq=128] [--rounds 1]
                                      [--efforts quick,normal,thorough] [--against FOLDER]

Every compile has a fresh process and no cache; efforts take turns, and with `--against` an older
checkout of stagecut takes part as well. Prints the wall time and the processor time of each
compile, its phases, and the plan that it ships with the time that the gate observed for it. How
good the shipped plans are can only be told by running them side by side: `--run 30` loads all of
them, in a process for each, and runs them in turns.
"""

import argparse
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.support import describe_machine, spread
from benchmarks.turns import HERE, Checkout, ForeignLoad, in_turns
from stagecut.compiler.context import EFFORTS
from stagecut.compiler.ir.units import seconds

DEVICES = ("cpu.serial", "cpu.parallel", "openvino.f32.serial", "openvino.f32")
OLD = "old"

COMPILE = """
import json, os, sys, time
print("ready", flush=True)
model, path, effort, *devices = json.loads(sys.stdin.readline())
start_s, start_cpu_s = time.perf_counter(), sum(os.times()[:2])
from stagecut.compiler import compile_model
if effort == "old":
    plan = compile_model(model, devices=devices)
else:
    from stagecut.compiler.context import Settings
    plan = compile_model(model, devices=devices, settings=Settings(effort=effort))
wall_s, cpu_s = time.perf_counter() - start_s, sum(os.times()[:2]) - start_cpu_s
plan.save(path)
found = plan.first.planned if hasattr(plan, "first") else plan.manifest
shipped = next(contender for contender in found.contenders if contender.chosen)
answer = {
    "wall_s": wall_s, "cpu_s": cpu_s, "phases": dict(getattr(plan, "phases", {})),
    "shipped": shipped.name, "stages": shipped.stages, "observed_s": shipped.median_s,
}
print(json.dumps(answer), flush=True)
"""

RUN = """
import json, sys, time
from stagecut.runtime import Session
path, model = sys.argv[1:]
session = Session(path)
try:
    from stagecut.runtime.feeds import random_feeds
    feeds = random_feeds(session.planned.inputs, 0)
except ImportError:
    from stagecut.runtime.random_feeds import random_feeds
    feeds = random_feeds(session.manifest.inputs, 0)
session.run(None, feeds)
print("ready", flush=True)
for _ in sys.stdin:
    session.run(None, feeds)
    start_s = time.perf_counter()
    session.run(None, feeds)
    print(json.dumps(time.perf_counter() - start_s), flush=True)
"""


def main() -> None:
    options = _arguments()
    print(describe_machine())
    names = options.efforts.split(",") + ([OLD] if options.against else [])
    load = ForeignLoad()
    found: dict[str, list[Mapping[str, Any]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        for name in in_turns(names, options.rounds):
            answer = _compiled(options, name, Path(folder) / f"{name}.plan")
            found[name].append(answer)
            _tell(name, answer)
        _summarise(found)
        print(load)
        if options.run:
            _run(options, names, Path(folder))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="zoo:bert-base:seq=128")
    parser.add_argument("--devices", default=",".join(DEVICES))
    parser.add_argument("--efforts", default=",".join(EFFORTS))
    parser.add_argument("--rounds", type=int, default=1, help="compiles of each")
    parser.add_argument("--run", type=int, default=0, help="turns of each shipped plan")
    parser.add_argument("--against", type=Path, help="folder of an older checkout of stagecut")
    return parser.parse_args()


def _compiled(options: argparse.Namespace, name: str, path: Path) -> Mapping[str, Any]:
    with Checkout(_folder(options, name), COMPILE) as checkout:
        checkout.wait()
        question = [options.model, str(path), name, *options.devices.split(",")]
        answer: Mapping[str, Any] = checkout.ask(question)
    return answer


def _folder(options: argparse.Namespace, name: str) -> Path:
    folder: Path = options.against.resolve() if name == OLD else HERE
    return folder


def _tell(name: str, answer: Mapping[str, Any]) -> None:
    phases = ", ".join(f"{each} {seconds(time_s)}" for each, time_s in answer["phases"].items())
    print(
        f"{name:9} {seconds(answer['wall_s'])} ({seconds(answer['cpu_s'])} of processors); ships "
        f"{answer['shipped']}, {answer['stages']} stages, observed {seconds(answer['observed_s'])}"
        f"{'; ' if phases else ''}{phases}",
        flush=True,
    )


def _summarise(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    walls_s = {name: [each["wall_s"] for each in answers] for name, answers in found.items()}
    slowest = max(walls_s, key=lambda name: statistics.median(walls_s[name]))
    for name, times_s in walls_s.items():
        ratio = statistics.median(walls_s[slowest]) / statistics.median(times_s)
        print(f"{name:9} {spread(times_s)}, {ratio:.2f} times as fast as {slowest}")


def _run(options: argparse.Namespace, names: Sequence[str], plans: Path) -> None:
    times_s: dict[str, list[float]] = {name: [] for name in names}
    with ExitStack() as stack:
        sessions = {}
        for name in names:
            path = str(plans / f"{name}.plan")
            made = Checkout(_folder(options, name), RUN, path, options.model)
            sessions[name] = stack.enter_context(made)
            sessions[name].wait()
        for name in in_turns(names, options.run):
            times_s[name].append(sessions[name].ask())
    for name, samples in times_s.items():
        print(f"{name:9} a run takes {spread(samples)}, {len(samples)} turns")


if __name__ == "__main__":
    main()
