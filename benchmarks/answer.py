"""Claim: one plan that takes the prompt and the tokens in the precisions that suit each answers
sooner than the best single engine.

    python -m benchmarks.answer [--model zoo:gpt2:past=256] [--prompt 128] [--new 64] [--rounds 4]
                                [--tolerances 0.05,0.3] [--devices NAMES] [--plans FOLDER]
                                [--only NAMES]

Each takes its turn with the same prompt and the same tokens behind it, on all CPUs: a plan on each
device alone, everything on it; and a plan of the same devices under each tolerance, whose prompt
and tokens share that budget. Printed are what a whole answer takes, by the clock and of processor
time, by the median and beside the best single device, the first token and a further one, the size
of the plan, and how far the scores of all tokens are off from those of the first device: as
relative rms, and how often the first choice is the same. Plans in FOLDER are taken as they are;
`--only` compiles some into it, and compares nothing.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.support import describe_machine, spread
from benchmarks.turns import ForeignLoad, in_turns
from stagecut import backends
from stagecut.compiler import compile_model
from stagecut.compiler.context import Settings
from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.frontends.load import import_model
from stagecut.compiler.ir.state import DecodingOptions
from stagecut.compiler.ir.units import seconds, size
from stagecut.compiler.measure.environment import instruction_sets
from stagecut.runtime.decoding.session import DecoderSession

#: Everything on one of them, that of the reference first; with all CPUs.
DEVICES = (
    "cpu.parallel",
    "openvino.f32",
    "openvino.bf16",
    "cpu.int8.parallel",
    "openvino.int8",
    "cpu.int8-dynamic.parallel",
    "cpu.int4.parallel",
    "openvino.int4",
)

#: A single device in few bits is as far off as it is.
_ANY = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The scores of each token, and the seconds that each took, by the clock and of processor
    time."""

    scores: Any
    times_s: list[float]
    cpu_s: list[float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="zoo:gpt2:past=256")
    parser.add_argument("--prompt", type=int, default=128)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--tolerances", default="0.05,0.3")
    parser.add_argument("--devices", default=",".join(DEVICES), help="some of these")
    parser.add_argument("--plans", type=Path, help="a folder for the plans, and with those there")
    parser.add_argument("--only", help="compile these, by device or tolerance, and end")
    options = parser.parse_args()
    print(describe_machine())
    print(f"instruction sets: {', '.join(instruction_sets())}")
    real = backends.real_devices(lower_precision=backends.AUTO)
    here = [name for name in DEVICES if name in real and name in options.devices.split(",")]
    known = [*here, *options.tolerances.split(",")]
    asked = known if options.only is None else options.only.split(",")
    with tempfile.TemporaryDirectory() as place:
        folder = options.plans or Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        imported, _ = import_model(options.model)
        for name in asked:
            planned(name, here, folder, options, imported)
        if options.only is None:
            compare({name: folder / f"{name}.plan" for name in known}, options)


def planned(
    name: str,
    here: Sequence[str],
    folder: Path,
    options: argparse.Namespace,
    imported: Imported,
) -> None:
    """The plan on one device, or within a tolerance, in the folder unless it is there."""
    file = folder / f"{name}.plan"
    if file.exists():
        return
    start_s = time.perf_counter()
    alone = name in DEVICES
    plan = compile_model(
        imported,
        devices=[name] if alone else here,
        tolerance=_ANY if alone else float(name),
        objective=f"generate:prompt={options.prompt},new={options.new}",
        settings=Settings(effort="quick"),
        decoding=DecodingOptions(),
    )
    plan.save(file)
    told = "; ".join(
        f"{entry} on {each.variants[0].shipped.name}"
        for entry, each in plan.document.entries.items()
    )
    print(f"{name}: compiled in {time.perf_counter() - start_s:.0f} s: {told}", flush=True)
    budget = plan.document.budget
    if budget is not None and not alone:
        print(f"    shares {dict(budget.shares)}; {budget.certificate}")


def answered(session: DecoderSession, prompt: Any, tokens: Sequence[int]) -> Answer:
    """What it says of each token behind the prompt, where the others are given."""
    scores, times_s, cpu_s = [], [], []
    with session.sequence() as sequence:
        for entry, given in (("prefill", prompt), *(("decode", [[each]]) for each in tokens)):
            start_s, start_cpu_s = time.perf_counter(), time.process_time()
            [found] = sequence.run(entry, {session.decoding.tokens: np.asarray(given)})
            times_s.append(time.perf_counter() - start_s)
            cpu_s.append(time.process_time() - start_cpu_s)
            scores.append(np.array(found[0, -1]))
    return Answer(np.stack(scores), times_s, cpu_s)


def compare(plans: dict[str, Path], options: argparse.Namespace) -> None:
    sessions = {name: DecoderSession(file) for name, file in plans.items()}
    rng = np.random.default_rng(0)
    prompt = rng.integers(1, 1000, (1, options.prompt))
    tokens = [int(each) for each in rng.integers(1, 1000, options.new - 1)]
    right = answered(next(iter(sessions.values())), prompt, tokens).scores
    off = {name: answered(each, prompt, tokens).scores for name, each in sessions.items()}
    load, taken = ForeignLoad(), {name: list[Answer]() for name in plans}
    for name in in_turns([*plans], options.rounds):
        taken[name].append(answered(sessions[name], prompt, tokens))
    print(
        f"{options.model}, {options.prompt} + {options.new} tokens, {options.rounds} rounds; {load}"
    )
    alone = [name for name in plans if name in DEVICES]
    told("by the clock", {n: [a.times_s for a in each] for n, each in taken.items()}, alone)
    told("processor time", {n: [a.cpu_s for a in each] for n, each in taken.items()}, alone)
    for name, file in plans.items():
        apart = np.linalg.norm(off[name] - right) / np.linalg.norm(right)
        same = np.mean(off[name].argmax(-1) == right.argmax(-1))
        print(f"  {name:26} rms {apart:.2e}   same choice {same:.0%}   {size(file.stat().st_size)}")


def told(what: str, taken: Mapping[str, list[list[float]]], alone: Sequence[str]) -> None:
    """What whole answers take, beside the best of those that are `alone`, and their tokens."""
    whole_s = {name: [sum(each) for each in found] for name, found in taken.items()}
    best = min(alone, key=lambda name: statistics.median(whole_s[name]))
    print(f"{what}:")
    for name, times_s in whole_s.items():
        first_s = statistics.median(each[0] for each in taken[name])
        token_s = statistics.median(t for each in taken[name] for t in each[1:])
        ratio = statistics.median(
            own / other for own, other in zip(times_s, whole_s[best], strict=True)
        )
        print(
            f"  {name:26} {spread(times_s):36} {ratio:.2f} of {best}   first {seconds(first_s)}"
            f"   a token {seconds(token_s)}"
        )


if __name__ == "__main__":
    main()
