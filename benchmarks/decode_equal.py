"""Claim: greedy tokens of a plan are those of torch eager with a cache, wherever its parts run.

    python -m benchmarks.decode_equal [--new 256] [--models tiny-gpt2,tiny-llama,...] [--few-bits]

Each decoder of the zoo, in small where it is large, with weights so large that what it says differs
from token to token. A line of the table is a model on some devices, on which its nodes are dealt at
random, and run straight on, and through forks and truncations: how many tokens are torch's up to
the first other one, and how far the scores of a step are from those of torch's pass over all tokens
at once, as a part of the largest.

--few-bits: on each device with weights in few bits, whole. The same is asked of torch with the very
weights that the plan holds. With activations in float32 (`activations=f32`) tokens are to be the
same; where activations are rounded, too, in each step anew, it is seen how far that goes.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import takewhile
from typing import Any

import numpy as np
import torch

from benchmarks.support import describe_machine
from stagecut import models
from stagecut.compiler import compile_model
from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.frontends.zoo import of_model
from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.state import DecodingOptions
from stagecut.models.encoder_decoders import ENCODER_INPUTS, EncoderDecoder
from stagecut.runtime.decoding.sequence import Sequence as Tokens
from stagecut.runtime.decoding.session import DecoderSession
from tests.support.in_few_bits import in_few_bits
from tests.support.scattered import scattered
from tests.support.spread_out import spread_out

#: By which weights are larger than the zoo's; trained ones stay.
_SPREAD = {"tiny-gpt2": 10.0, "tiny-gptj": 40.0, "tiny-llama": 10.0, "tiny-whisper": 60.0}
_PROMPT = (5, 17, 99, 42, 7)
_SCATTERED = (("cpu.serial", "cpu.parallel"),)
_WITH_OPENVINO = (("openvino.f32.serial",), ("openvino.f32",), ("cpu.serial", "openvino.f32"))
_FEW_BITS = (
    ("cpu.int8.serial:block=32,activations=f32",),
    ("cpu.int4.serial:activations=f32",),
    ("cpu.int4.parallel:activations=f32",),
    ("cpu.int8.serial",),
    ("cpu.int8.parallel",),
    ("cpu.int4.serial",),
    ("cpu.int4.parallel",),
    ("cpu.int8-dynamic.serial",),
)
_FEW_BITS_OPENVINO = (
    ("openvino.int8.serial:activations=f32",),
    ("openvino.int4.serial:activations=f32",),
    ("openvino.int8.serial",),
    ("openvino.int4.serial",),
)

#: A plan in few bits may be as far from the model in full as it likes: it is held to its own.
_FAR = 10.0


@dataclass(frozen=True, slots=True)
class Case:
    """A model, what its encoder reads, and what torch says: `tokens`, and the scores of each."""

    module: Any
    imported: Imported
    source: Feeds
    tokens: list[int]
    scores: Tensor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--new", type=int, default=256)
    parser.add_argument("--models", default=",".join(_SPREAD))
    parser.add_argument("--few-bits", action="store_true")
    options = parser.parse_args()
    print(describe_machine())
    print(f"{'model':16} {'devices':36} {'straight on':>12} {'fork, truncate':>15} {'apart':>8}")
    for name in options.models.split(","):
        case = _case(name, options.new)
        for devices in _devices(few_bits=options.few_bits):
            _print(name, devices, case)
        print(f"{name:16} {len({*case.tokens})} different tokens")


def _devices(*, few_bits: bool) -> Iterator[tuple[str, ...]]:
    yield from _FEW_BITS if few_bits else (("cpu.serial",), ("cpu.parallel",), *_SCATTERED)
    if find_spec("openvino") is not None:
        yield from _FEW_BITS_OPENVINO if few_bits else _WITH_OPENVINO


def _case(name: str, new: int) -> Case:
    room = len(_PROMPT) + new
    model = models.build(name, past=room)
    if name in _SPREAD:
        spread_out(model, _SPREAD[name])
    module: Any = model.module
    source: Feeds = {}
    if isinstance(module, EncoderDecoder):
        source = {each: model.example_inputs[each].numpy() for each in ENCODER_INPUTS}
    return _told(module.model, of_model(model, f"zoo:{name}"), source, new)


def _told(model: Any, imported: Imported, source: Feeds, new: int) -> Case:
    """What torch says."""
    given: dict[str, Any] = {}
    if source:
        with torch.no_grad():
            given["encoder_outputs"] = model.get_encoder()(*map(torch.tensor, source.values()))
    read = "decoder_input_ids" if source else "input_ids"
    tokens = _greedy(model, given, read, new)
    with torch.no_grad():
        said = torch.tensor([[*_PROMPT, *tokens[:-1]]])
        scores = model(**{read: said}, **given).logits[0, len(_PROMPT) - 1 :].numpy()
    return Case(model, imported, source, tokens, scores)


def _greedy(model: Any, given: dict[str, Any], read: str, count: int) -> list[int]:
    """With transformers' own cache, token by token."""
    tokens: list[int] = []
    new, cache = torch.tensor([_PROMPT]), None
    with torch.no_grad():
        for _ in range(count):
            found = model(**{read: new}, **given, past_key_values=cache, use_cache=True)
            cache = found.past_key_values
            tokens.append(int(found.logits[0, -1].argmax()))
            new = torch.tensor([tokens[-1:]])
    return tokens


def _print(name: str, devices: Sequence[str], case: Case) -> None:
    options = DecodingOptions(prompt=len(_PROMPT))
    few = devices in {*_FEW_BITS, *_FEW_BITS_OPENVINO}
    plan = compile_model(
        case.imported,
        devices=devices,
        costs=scattered(3),
        decoding=options,
        tolerance=_FAR if few else None,
    )
    if few:
        own = in_few_bits(case.module, plan)
        case = _told(own, case.imported, case.source, len(case.tokens))
    session = DecoderSession(plan)
    used = (
        {*devices}
        if few
        else {each.device for v in plan.variants for each in v.planned.schedule.stages}
    )
    straight, scores = _straight(session, case)
    apart = np.abs(scores - case.scores).max() / np.abs(case.scores).max()
    forked = _forked(session, case)
    print(
        f"{name:16} {' + '.join(sorted(used)):36} {_equal(straight, case.tokens):>12} "
        f"{_equal(forked, case.tokens):>15} {apart:8.1e}",
        flush=True,
    )


def _straight(session: DecoderSession, case: Case) -> tuple[list[int], Tensor]:
    with _begun(session, case) as sequence:
        scores = [_run(sequence, _PROMPT)]
        while len(scores) < len(case.tokens):
            scores.append(_run(sequence, [int(scores[-1].argmax())]))
    return [int(each.argmax()) for each in scores], np.array(scores)


def _forked(session: DecoderSession, case: Case) -> list[int]:
    """Two that hold the same go on by turns; one has said something else and forgotten it."""
    with _begun(session, case) as first:
        found = [int(_run(first, _PROMPT).argmax())]
        with first.fork() as second:
            while len(found) < len(case.tokens):
                ahead, behind = (first, second) if len(found) % 2 else (second, first)
                _say_and_forget(ahead)
                _run(behind, found[-1:])
                found.append(int(_run(ahead, found[-1:]).argmax()))
    return found


def _say_and_forget(sequence: Tokens) -> None:
    length = sequence.length
    for wrong in range(1, min(3, sequence.capacity - length + 1)):
        _run(sequence, [wrong])
    sequence.truncate(length)


def _begun(session: DecoderSession, case: Case) -> Tokens:
    sequence = session.sequence()
    if case.source:
        sequence.run("encode", case.source)
    return sequence


def _run(sequence: Tokens, tokens: Sequence[int]) -> Tensor:
    entry = "decode" if sequence.length else "prefill"
    scores: Tensor = sequence.run(entry, {"input_ids": np.asarray([[*tokens]])})[0][0, -1]
    return scores


def _equal(found: Sequence[int], expected: Sequence[int]) -> str:
    pairs = zip(found, expected, strict=True)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return f"{same} of {len(expected)}"


if __name__ == "__main__":
    main()
