"""Check what the entries of a decoder share: that each has the states, as they are said to be."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

import numpy as np

from stagecut.compiler.ir.plan import PlanDocument, PlannedEntry
from stagecut.compiler.ir.port import Port
from stagecut.compiler.ir.state import DECODE, ENCODE, Decoding, State


def decoding_problems(document: PlanDocument) -> Iterator[str]:
    """What does not fit, each as a sentence; the entries are there, each with a variant."""
    decoding = document.decoding
    if decoding is None:
        return
    if not decoding.kept:
        yield "there is no state"
    for kind, names in (
        ("past", decoding.pasts),
        ("present", decoding.presents),
        ("target", [each.target for each in decoding.handed]),
    ):
        if len(set(names)) < len(names):
            yield f"two states have one {kind}"
    for entry in decoding.entries:
        if entry == ENCODE:
            continue
        inputs, outputs = _ports(document, entry)
        yield from _in_entry(entry, decoding, outputs)
        for name in (decoding.tokens, *decoding.held):
            if name not in inputs:
                yield f"{entry} has no input {name!r}"
    inputs, outputs = _ports(document, DECODE)
    yield from _in_ports(DECODE, "input", inputs, ((s.past, s) for s in decoding.states))
    for state in decoding.states:
        if state.whole and inputs[state.past].shape[0] != decoding.capacity:
            yield f"input {state.past!r} has no room for {decoding.capacity} tokens"
    yield from _that_goes_on(document, decoding)
    yield from _in_switches(document.entries[DECODE], decoding.capacity)


def _in_switches(step: PlannedEntry, capacity: int) -> Iterator[str]:
    """Each variant but the first has a length from which on it runs, within a sequence."""
    lengths = (0, *step.switches, capacity)
    if len(step.switches) != len(step.variants) - 1:
        yield f"{DECODE} has {len(step.variants)} variants, and {len(step.switches)} switches"
    elif any(one >= other for one, other in pairwise(lengths)):
        yield f"{DECODE} has switches out of order: {', '.join(map(str, step.switches))}"


def _ports(document: PlanDocument, entry: str) -> tuple[dict[str, Port], dict[str, Port]]:
    """Its inputs and its outputs, by name."""
    variant = document.entries[entry].variants[0]
    return (
        {port.name: port for port in variant.inputs},
        {port.name: port for port in variant.outputs},
    )


def _that_goes_on(document: PlanDocument, decoding: Decoding) -> Iterator[str]:
    """What one run hands back and another one reads is of one type and one size."""
    inputs, outputs = _ports(document, DECODE)
    pairs = [(DECODE, outputs.get(each.present), each.past) for each in decoding.replaced]
    if decoding.handed:
        said = _ports(document, ENCODE)[1]
        pairs += [(ENCODE, said.get(each.source), each.target) for each in decoding.handed]
    for entry, source, target in pairs:
        port = inputs.get(target)
        if source is None:
            yield f"{entry} has no output that input {target!r} reads"
        elif port is not None and (port.dtype, port.shape) != (source.dtype, source.shape):
            yield f"{entry} has another output {source.name!r} than input {target!r} reads"


def _in_entry(entry: str, decoding: Decoding, outputs: Mapping[str, Port]) -> Iterator[str]:
    named = ((state.present, state) for state in decoding.states)
    yield from _in_ports(entry, "output", outputs, named)
    for name in (*(each.present for each in decoding.replaced), decoding.logits):
        if name and name not in outputs:
            yield f"{entry} has no output {name!r}"


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
