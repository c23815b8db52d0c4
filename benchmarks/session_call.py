"""Claim: one call of a session costs next to nothing beyond the engine.

    python -m benchmarks.session_call [--against FOLDER] [--rounds 10] [--calls 300]

A chain of eight small operators becomes a plan of one stage and one of eight, on one thread of ONNX
Runtime. In each turn the plan is run many times, and in between the same stages are called by hand,
one ONNX Runtime session each; what the plan takes more, by the medians, is what a call costs beyond
the engine. With `--against`, an older checkout compiles and runs plans of its own, in turns with
this one, each in a process of its own; a few pairs of processes, as no two are equally fast.

Also counts the Python functions that a call enters, and the files that they are in.
"""

import argparse
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.support import describe_machine, spread
from benchmarks.turns import ForeignLoad, in_turns, side_by_side, sides

STAGES = (1, 8)

SOURCE = """
import json, os, statistics, sys, time
import numpy as np
import onnx
try:
    from stagecut.compiler.onnx_runtime import ort
except ImportError:  # of a checkout from before there was this door
    import onnxruntime as ort
from onnx import TensorProto, helper
from stagecut.compiler import compile_model
from stagecut.runtime import Session

STEPS, calls = 8, int(sys.argv[2])
def part(first, last):
    steps = range(first, last)
    nodes = [helper.make_node("Relu", [f"v{i}"], [f"v{i + 1}"], f"n{i}") for i in steps]
    ends = [
        [helper.make_tensor_value_info(f"v{i}", TensorProto.FLOAT, [1, 16])] for i in (first, last)
    ]
    graph = helper.make_graph(nodes, "chain", *ends)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10
    )

def by_hand(model):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

stages = int(sys.argv[1])
path = os.path.join(sys.argv[3], f"chain-{os.getpid()}.onnx")
onnx.save(part(0, STEPS), path)
feeds = {"v0": np.linspace(-1, 1, 16, dtype=np.float32).reshape(1, 16)}
devices = ["cpu.serial", "cpu.parallel:threads=1"]
names = ["cpu.serial", "cpu.parallel"]
pins = [f"n{i}={names[i % 2 if stages > 1 else 0]}" for i in range(STEPS)]
plan = compile_model(path, devices=devices, pins=pins, granularity="op")
session = Session(plan)
size = STEPS // stages
hands = [by_hand(part(at, at + size)) for at in range(0, STEPS, size)]

def run_plan():
    session.run(None, feeds)

def run_by_hand():
    value = feeds["v0"]
    for at, hand in enumerate(hands):
        value = hand.run([f"v{(at + 1) * size}"], {f"v{at * size}": value})[0]

def timed():
    runs = {"plan": run_plan, "hand": run_by_hand}
    found = {name: [] for name in runs}
    for _ in range(calls):
        for name, run in runs.items():
            start_s = time.perf_counter()
            run()
            found[name].append(time.perf_counter() - start_s)
    return {name: statistics.median(times_s) for name, times_s in found.items()}

def entered(run):
    found = []
    def note(frame, event, arg):
        if event == "call" and frame.f_code is not run.__code__:
            found.append(frame.f_code)
    sys.setprofile(note)
    run()
    sys.setprofile(None)
    return {"functions": len(found), "files": len({code.co_filename for code in found})}

run_plan()
counts, hand_counts = entered(run_plan), entered(run_by_hand)
counts["of_the_engine"] = hand_counts["functions"]
print("ready", flush=True)
for line in sys.stdin:
    if json.loads(line) == "count":
        print(json.dumps(counts), flush=True)
    else:
        print(json.dumps(timed()), flush=True)
"""


def main() -> None:
    options = _arguments()
    print(describe_machine())
    folders = sides(options.against)
    load = ForeignLoad()
    with tempfile.TemporaryDirectory() as folder:
        for stages in STAGES:
            turns: dict[str, list[Mapping[str, float]]] = {name: [] for name in folders}
            for pair in range(options.pairs):
                arguments = (str(stages), str(options.calls), folder)
                with side_by_side(folders, SOURCE, *arguments) as checkouts:
                    for name, checkout in checkouts.items() if pair == 0 else ():
                        _tell_counts(f"{stages} stages, {name}", checkout.ask("count"))
                    for name in in_turns([*folders], options.rounds):
                        turns[name].append(checkouts[name].ask())
            _tell(turns)
    print(load)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--against", type=Path, help="folder of an older checkout of stagecut")
    parser.add_argument("--rounds", type=int, default=10, help="turns of each process")
    parser.add_argument("--calls", type=int, default=300, help="calls of a turn")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of processes")
    return parser.parse_args()


def _tell_counts(plan: str, counts: Mapping[str, int]) -> None:
    print(
        f"{plan}: a call enters {counts['functions']} Python functions in {counts['files']} files; "
        f"{counts['of_the_engine']} are the engine's own"
    )


def _tell(turns: Mapping[str, list[Mapping[str, float]]]) -> None:
    beyond = {
        name: [each["plan"] - each["hand"] for each in answers] for name, answers in turns.items()
    }
    for name, answers in turns.items():
        plan_s = [each["plan"] for each in answers]
        print(f"  {name} a call            {spread(plan_s)}, {len(plan_s)} turns")
        print(f"  {name} beyond the engine {spread(beyond[name])}")
    if "old" in turns:
        whole = [
            new["plan"] / old["plan"] for new, old in zip(turns["new"], turns["old"], strict=True)
        ]
        ratio = statistics.median(beyond["new"]) / statistics.median(beyond["old"])
        print(f"  new / old: a call {statistics.median(whole):.3f}, beyond the engine {ratio:.3f}")


if __name__ == "__main__":
    main()
