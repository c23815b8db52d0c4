"""Check what the entries of a decoder share: that each has the states, as they are said to be."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from stagecut.compiler.ir.plan import PlanDocument
from stagecut.compiler.ir.port import Port
from stagecut.compiler.ir.state import DECODE, PREFILL, TOKENS, Decoding, State


def decoding_problems(document: PlanDocument) -> Iterator[str]:
    """What does not fit, each as a sentence; the entries are there, each with a variant."""
    decoding = document.decoding
    if decoding is None:
        return
    if not decoding.states:
        yield "there is no state"
    for kind in ("past", "present"):
        names = [getattr(state, kind) for state in decoding.states]
        if len(set(names)) < len(names):
            yield f"two states have one {kind}"
    for entry in (PREFILL, DECODE):
        variant = document.entries[entry].variants[0]
        outputs = {port.name: port for port in variant.outputs}
        yield from _in_entry(entry, decoding, outputs)
        if TOKENS not in {port.name for port in variant.inputs}:
            yield f"{entry} has no input {TOKENS}"
    inputs = document.entries[DECODE].variants[0].inputs
    known = {port.name: port for port in inputs}
    yield from _in_ports(DECODE, "input", known, ((s.past, s) for s in decoding.states))


def _in_entry(entry: str, decoding: Decoding, outputs: Mapping[str, Port]) -> Iterator[str]:
    named = ((state.present, state) for state in decoding.states)
    yield from _in_ports(entry, "output", outputs, named)
    if decoding.logits and decoding.logits not in outputs:
        yield f"{entry} has no output {decoding.logits!r}"


def _in_ports(
    entry: str, kind: str, ports: Mapping[str, Port], named: Iterable[tuple[str, State]]
) -> Iterator[str]:
    for name, state in named:
        port = ports.get(name)
        if port is None:
            yield f"{entry} has no {kind} {name!r}"
        elif (port.dtype, port.shape[1:]) != (state.dtype, state.row):
            yield f"{entry} has {kind} {name!r} with other rows"
        elif np.dtype(state.dtype).hasobject:
            yield f"{name!r} holds no numbers"
