"""Claim: a plan decodes as fast as the engines by themselves, on the same model in float32.

    python -m benchmarks.decode [--model zoo:gpt2:past=1024] [--prompt 128] [--new 64] [--rounds 4]
                                [--plan FILE] [--rivals-python PYTHON] [--rounds 0]
                                [--equal 256] [--steady 10000]

Each takes its turn with the same prompt, greedily, on all CPUs: the plan; ONNX Runtime with past
and present as arrays, and with both bound to two sets of buffers that take turns; OpenVINO with its
own stateful variables, where it is installed; torch eager with a DynamicCache and a StaticCache;
and, in the environment of PYTHON, onnxruntime-genai and llama.cpp (packages onnxruntime-genai,
xllamacpp, gguf). Printed are medians over the rounds: first token, a further token, and the
processor time of both; beside them what this machine reads from memory in a second, and the foreign
load. Who says other tokens than the plan is named, and who is missing.

--equal holds so many tokens against torch's; --steady takes so many steps behind the same number of
tokens, and says what the 10th, the 1,000th and the last took.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx_ir as ir

from benchmarks.decode import here
from benchmarks.decode.elsewhere import NAMES, Elsewhere, rivals_elsewhere
from benchmarks.decode.steady import print_equality, print_steady
from benchmarks.support import describe_machine
from benchmarks.turns import ForeignLoad, in_turns
from stagecut.compiler import compile_model
from stagecut.compiler.frontends import zoo
from stagecut.compiler.frontends.decoder.pairs import find_pairs
from stagecut.compiler.frontends.load import import_model
from stagecut.compiler.ir.state import DecodingOptions
from stagecut.compiler.measure.read_bandwidth import read_bandwidth
from stagecut.runtime.decoding.session import DecoderSession

#: A turn: what a rival answers to a prompt, with so many new tokens.
Turn: TypeAlias = Callable[[Sequence[int], int], here.Taken]

_NOBODY: tuple[dict[str, Elsewhere], dict[str, str]] = (
    {},
    dict.fromkeys(NAMES, "no --rivals-python"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="zoo:gpt2:past=1024")
    parser.add_argument("--prompt", type=int, default=128)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=4, help="0 leaves the rivals out")
    parser.add_argument("--plan", type=Path, help="a plan of the model; else one is made")
    parser.add_argument("--rivals-python", type=Path, help="has onnxruntime-genai and xllamacpp")
    parser.add_argument("--equal", type=int, default=0, help="compare so many tokens with torch")
    parser.add_argument("--steady", type=int, default=0, help="take so many steps at one length")
    options = parser.parse_args()
    print(describe_machine())
    imported, _ = import_model(options.model)
    ids = np.resize(imported.feeds["input_ids"], options.prompt).tolist()
    plan = options.plan or compile_model(imported, decoding=DecodingOptions(prompt=options.prompt))
    session = DecoderSession(plan)
    module: Any = zoo.build(options.model).module
    if options.equal:
        pair = here.of_plan(session)(), here.of_torch(module.model)()
        print_equality(*pair, ids, options.equal)
    if options.steady:
        print_steady(session, ids, options.steady)
    if options.rounds:
        with tempfile.TemporaryDirectory() as folder:
            _compare(options, imported.model, session, module.model, ids, Path(folder))


def _compare(
    options: argparse.Namespace,
    model: ir.Model,
    session: DecoderSession,
    torch_model: Any,
    ids: list[int],
    folder: Path,
) -> None:
    states = {str(a.name): str(b.name) for a, b in find_pairs(model.graph, {})}
    file, room = folder / "model.onnx", options.prompt + options.new
    ir.save(model, file, external_data="model.data")
    begins = {
        "plan": here.of_plan(session),
        "ONNX Runtime, arrays": here.with_arrays(file, states),
        "the same, not spinning": here.with_arrays(file, states, spin=False),
        "ONNX Runtime, bound": here.with_bindings(file, states, room),
        "torch, DynamicCache": here.of_torch(torch_model),
        "torch, StaticCache": here.of_torch(torch_model, room),
    }
    stateful = here.of_openvino(file, states)
    if stateful is not None:
        begins["OpenVINO, stateful"] = stateful
    python, load = options.rivals_python, ForeignLoad()
    others = (
        nullcontext(_NOBODY) if python is None else rivals_elsewhere(torch_model, python, folder)
    )
    with others as (children, missing):
        turns: dict[str, Turn] = {
            **{name: partial(_turn, begin) for name, begin in begins.items()},
            **{name: child.decoded for name, child in children.items()},
        }
        taken, bandwidth = _in_turns(turns, ids, options)
    _print(taken, len(ids), options)
    print(f"this machine reads {bandwidth / 1e9:.1f} GB/s; {load}")
    if stateful is None:
        missing = {**missing, "OpenVINO, stateful": "it is not installed here"}
    for name, reason in missing.items():
        print(f"missing: {name}: {reason}")


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
    print(f"prompt {prompt}, {options.new} tokens, {options.rounds} rounds")
    print("                        first token   (CPU time)   a token   (CPU time)   tokens/s")
    expected = taken["plan"][0].tokens
    for name, several in taken.items():
        first, first_cpu, token, token_cpu = (
            1e3 * statistics.median(getattr(each, column) for each in several)
            for column in ("first_s", "first_cpu_s", "token_s", "token_cpu_s")
        )
        print(
            f"{name:22} {first:9.1f} ms {first_cpu:9.1f} ms {token:7.2f} ms {token_cpu:8.2f} ms "
            f"{1e3 / token:9.1f}{_otherwise(several, expected)}"
        )


def _otherwise(several: Sequence[here.Taken], expected: Sequence[int]) -> str:
    """From which token on it says something else; empty where it never does."""
    for each in several:
        if each.tokens != expected:
            pairs = enumerate(zip(each.tokens, expected, strict=False))
            at = next((at for at, (one, other) in pairs if one != other), len(each.tokens))
            return f"  other tokens from number {at + 1} on"
    return ""


if __name__ == "__main__":
    main()
