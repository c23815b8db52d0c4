"""Claim: a plan decodes as fast as the engines by themselves, on the same model and precision.

    python -m benchmarks.decode [--model zoo:gpt2:past=1024] [--prompt 128] [--new 64] [--rounds 4]
                                [--precision f32|int8|int4] [--plan FILE] [--folder FOLDER]
                                [--rivals-python PYTHON] [--among NAME,NAME] [--rounds 0]
                                [--equal 256] [--steady 10000]

Each takes its turn with the same prompt, greedily, on all CPUs: the plan; ONNX Runtime with past
and present as arrays (its threads spin while they wait, or sleep, as those of a plan), and with
both bound to two sets of buffers that take turns; OpenVINO with its own stateful variables, where
it is installed; torch eager with a DynamicCache and a StaticCache; and, in the environment of
PYTHON, onnxruntime-genai, llama.cpp and OpenVINO GenAI (packages onnxruntime-genai, xllamacpp,
gguf, openvino-genai, nncf). In few bits, weights are quantised by each engine's own tool, and those
in PYTHON take part; keys and values are in float32 everywhere.
Printed are medians over the rounds: first token, a further token, and the processor time of both;
how the plan does beside the best of the others; what this machine reads from memory in a second,
with the tokens a second that this allows, and the foreign load. Who says other tokens than the plan
is named, and who is missing.

What the rivals read is written into FOLDER and stays there; --rounds 0 goes no further than that.
A model that is large for the memory is compared in pieces: --among says with whom.

--equal holds so many tokens against torch's; --steady takes so many steps behind the same number of
tokens, and says what the 10th, the 1,000th and the last took.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from benchmarks.decode import here
from benchmarks.decode.elsewhere import NAMES, rivals_elsewhere
from benchmarks.decode.files import Files
from benchmarks.decode.steady import print_equality, print_steady
from benchmarks.support import describe_machine
from benchmarks.turns import ForeignLoad, in_turns
from stagecut.compiler import compile_model
from stagecut.compiler.ir.state import DecodingOptions
from stagecut.compiler.measure.read_bandwidth import read_bandwidth
from stagecut.runtime.decoding.session import DecoderSession

#: A turn: what a rival answers to a prompt, with so many new tokens.
Turn: TypeAlias = Callable[[Sequence[int], int], here.Taken]

#: The rivals in this process, which are in float32.
_HERE = (
    "ONNX Runtime arrays",
    "ONNX Runtime asleep",
    "ONNX Runtime bound",
    "OpenVINO stateful",
    "torch DynamicCache",
    "torch StaticCache",
)
_PRECISIONS = ("f32", "int8", "int4")

#: Within which a quantised plan is held to the model, whose weights are random: it has to be as
#: quick as others that quantise all weights, however far off they are.
_FAR = 1.0


def main() -> None:
    options = _arguments()
    print(describe_machine())
    with tempfile.TemporaryDirectory() as temporary:
        files = Files(options.model, options.folder or Path(temporary))
        seed = np.random.default_rng(0)
        ids = seed.integers(0, files.vocabulary, options.prompt).tolist()
        if not (options.rounds or options.equal or options.steady):
            _make(options, files)
            return
        session = DecoderSession(options.plan or _compiled(options))
        if options.equal:
            module: Any = files.torch_model().module
            pair = here.of_plan(session)(), here.of_torch(module.model)()
            print_equality(*pair, ids, options.equal)
        if options.steady:
            print_steady(session, ids, options.steady)
        if options.rounds:
            _compare(options, session, files, ids)


def _compiled(options: argparse.Namespace) -> Any:
    few = options.precision != "f32"
    return compile_model(
        options.model,
        decoding=DecodingOptions(prompt=options.prompt, new=options.new),
        **({"precision": options.precision, "tolerance": _FAR} if few else {}),
    )


def _compare(
    options: argparse.Namespace, session: DecoderSession, files: Files, ids: list[int]
) -> None:
    wanted, load = _wanted(options), ForeignLoad()
    turns: dict[str, Turn] = {"plan": partial(_turn, here.of_plan(session))}
    missing: dict[str, str] = {}
    if options.precision == "f32":
        for name in _HERE:
            if name in wanted:
                try:
                    turns[name] = partial(_turn, _begin(name, files, options))
                except ModuleNotFoundError as error:
                    missing[name] = str(error)
    elsewhere = [name for name in NAMES if name in wanted]
    with rivals_elsewhere(elsewhere, options.rivals_python, files, options.precision) as others:
        children, gone = others
        turns |= {name: child.decoded for name, child in children.items()}
        taken, bandwidth = _in_turns(turns, ids, options)
    for name, reason in {**missing, **gone}.items():
        print(f"missing: {name}: {reason}")
    _print(taken, len(ids), options)
    limit = bandwidth / session.weight_bytes
    print(
        f"this machine reads {bandwidth / 1e9:.1f} GB/s, and a step of the plan "
        f"{session.weight_bytes / 1e6:.0f} MB of weights: {limit:.1f} tokens/s at the most; {load}"
    )


def _make(options: argparse.Namespace, files: Files) -> None:
    """Write what rivals read, one after the other: each takes memory of its own."""
    wanted = _wanted(options)
    if options.precision == "f32" and not {*_HERE}.isdisjoint(wanted):
        print(f"wrote {files.onnx}")
    for name in NAMES:
        if name in wanted:
            with rivals_elsewhere([name], options.rivals_python, files, options.precision) as found:
                print(*(f"{name}: {why}" for why in found[1].values() or ["ready"]))


def _wanted(options: argparse.Namespace) -> list[str]:
    return options.among.split(",") if options.among else [*_HERE, *NAMES]


def _begin(name: str, files: Files, options: argparse.Namespace) -> Callable[[], here.Step]:
    room = options.prompt + options.new
    if name.startswith("torch"):
        module: Any = files.torch_model().module
        return here.of_torch(module.model, room if "Static" in name else None)
    file, states = files.onnx, files.states
    if name == "OpenVINO stateful":
        return here.of_openvino(file, states)
    if name == "ONNX Runtime bound":
        return here.with_bindings(file, states, room)
    return here.with_arrays(file, states, spin="asleep" not in name)


def _turn(begin: Callable[[], here.Step], ids: Sequence[int], new: int) -> here.Taken:
    return here.decoded(begin(), ids, new)


def _in_turns(
    turns: Mapping[str, Turn], ids: Sequence[int], options: argparse.Namespace
) -> tuple[dict[str, list[here.Taken]], float]:
    """What each took in every round, and the median of the bandwidth beside them."""
    taken: dict[str, list[here.Taken]] = {name: [] for name in turns}
    bandwidths = []
    for name in in_turns([*turns], options.rounds):
        taken[name].append(turns[name](ids, options.new))
        bandwidths.append(read_bandwidth())
    return taken, statistics.median(bandwidths)


def _print(
    taken: Mapping[str, Sequence[here.Taken]], prompt: int, options: argparse.Namespace
) -> None:
    print(f"{options.precision}, prompt {prompt}, {options.new} tokens, {options.rounds} rounds")
    print(f"{'':26} first token   (CPU time)     a token   (CPU time)  tokens/s")
    expected = taken["plan"][0].tokens
    for name, several in taken.items():
        first, first_cpu, token, token_cpu = (
            1e3 * _median(several, column)
            for column in ("first_s", "first_cpu_s", "token_s", "token_cpu_s")
        )
        print(
            f"{name:26} {first:8.1f} ms {first_cpu:9.1f} ms {token:8.2f} ms {token_cpu:8.2f} ms "
            f"{1e3 / token:9.1f}{_otherwise(several, expected)}"
        )
    for what, column in (("first token", "first_s"), ("a token", "token_s")):
        rivals = [name for name in taken if name != "plan"]
        if rivals:
            best = min(rivals, key=lambda name: _median(taken[name], column))
            ratios = [
                getattr(rival, column) / getattr(plan, column)
                for rival, plan in zip(taken[best], taken["plan"], strict=True)
            ]
            print(
                f"{what}: the plan is {statistics.median(ratios):.2f} times as fast as {best}, "
                f"the best of the others ({min(ratios):.2f} .. {max(ratios):.2f})"
            )


def _median(several: Sequence[here.Taken], column: str) -> float:
    return float(statistics.median(getattr(each, column) for each in several))


def _otherwise(several: Sequence[here.Taken], expected: Sequence[int]) -> str:
    """From which token on it says something else; empty where it never does."""
    for each in several:
        if each.tokens != expected:
            pairs = enumerate(zip(each.tokens, expected, strict=False))
            at = next((at for at, (one, other) in pairs if one != other), len(each.tokens))
            return f"  other tokens from number {at + 1} on"
    return ""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="zoo:gpt2:past=1024")
    parser.add_argument("--prompt", type=int, default=128)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=4, help="0 only writes what rivals read")
    parser.add_argument("--precision", choices=_PRECISIONS, default="f32")
    parser.add_argument("--plan", type=Path, help="a plan of the model; else one is made")
    parser.add_argument("--folder", type=Path, help="keeps what rivals read")
    parser.add_argument("--rivals-python", type=Path, help="has onnxruntime-genai and others")
    parser.add_argument("--among", default="", help=f"some of {', '.join((*_HERE, *NAMES))}")
    parser.add_argument("--equal", type=int, default=0, help="compare so many tokens with torch")
    parser.add_argument("--steady", type=int, default=0, help="take so many steps at one length")
    options = parser.parse_args()
    unknown = {*options.among.split(",")} - {"", *_HERE, *NAMES}
    if unknown:
        parser.error(f"there is no rival {min(unknown)!r}")
    return options


if __name__ == "__main__":
    main()
