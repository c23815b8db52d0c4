"""A decoder as two models: `prefill`, which begins with nothing, and `decode`, which goes on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import onnx_ir as ir

from stagecut.compiler.frontends.decoder.fused import with_growth
from stagecut.compiler.frontends.decoder.grouped import group_queries
from stagecut.compiler.frontends.decoder.last_row import only_last
from stagecut.compiler.frontends.decoder.merged import with_cache
from stagecut.compiler.frontends.decoder.pairs import find_pairs
from stagecut.compiler.frontends.decoder.states import Joined, begin, grow
from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.frontends.shapes import Shapes
from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.errors import ModelError, UsageError
from stagecut.compiler.ir.state import (
    DECODE,
    MASK,
    POSITIONS,
    PREFILL,
    TOKENS,
    Decoding,
    DecodingOptions,
    State,
)

_Rewrite: TypeAlias = Callable[[ir.Graph, Joined, ir.SymbolicDim], None]


@dataclass(frozen=True, slots=True)
class EntryModel:
    """One way into a decoder: its model, and the shapes that it is measured at."""

    imported: Imported
    shapes: Shapes


@dataclass(frozen=True, slots=True)
class Decoder:
    """A model with a cache, by the names of its entries."""

    entries: Mapping[str, EntryModel]
    decoding: Decoding


def decoder_of(imported: Imported, options: DecodingOptions, shapes: Shapes) -> Decoder | None:
    """The entries of `imported`, which stays as it is; None where it is no decoder, or where
    `shapes` ask for one of its steps at a fixed length, which then is an ordinary program.

    Raises ModelError for a decoder whose cache or tokens are not as they have to be, UsageError
    for options that do not go with it.
    """
    imported = replace(imported, model=with_growth(with_cache(imported.model)))
    graph = imported.model.graph
    pairs = find_pairs(graph, options.states)
    if not pairs or any(past.name in shapes for past, _ in pairs):
        if options.is_given:
            raise UsageError(
                "it is no decoder: it has no inputs that its outputs carry on",
                where=imported.source,
                fix="leave prompt, capacity and length out, or pair them: --state PAST=PRESENT",
            )
        return None
    states = tuple(Joined.of(past, present).state for past, present in pairs)
    prompt, capacity, length = options.lengths(_room(imported, states))
    held = {state.past: (length, *state.row) for state in states}
    entries = {
        PREFILL: EntryModel(
            _rewritten(imported, PREFILL, states, begin, _samples(imported, prompt, 0)),
            {**_sizes(graph, prompt, 0), **shapes},
        ),
        DECODE: EntryModel(
            _rewritten(imported, DECODE, states, grow, _samples(imported, 1, length)),
            {**_sizes(graph, 1, length), **held, **shapes},
        ),
    }
    return Decoder(entries, Decoding(states, capacity, _logits(graph, states), options.new or 0))


def _room(imported: Imported, states: Sequence[State]) -> int | None:
    """How many tokens the model's own samples come to, where it brings any."""
    samples, state = imported.feeds, states[0]
    if TOKENS not in samples or state.past not in samples:
        return None
    return int(samples[TOKENS].shape[-1]) + int(samples[state.past].shape[state.axis])


def _rewritten(
    imported: Imported, entry: str, states: Sequence[State], rewrite: _Rewrite, feeds: Feeds
) -> Imported:
    model = imported.model.clone()
    graph = model.graph
    group_queries(graph)
    inputs = {value.name: value for value in graph.inputs}
    outputs = {value.name: value for value in graph.outputs}
    joined = [Joined.of(inputs[state.past], outputs[state.present]) for state in states]
    tokens = _tokens(graph)
    length = (joined[0].past.shape or ())[joined[0].axis]
    _one_row(graph, joined, tokens)
    for each in joined:
        rewrite(graph, each, tokens)
    _tie_mask(graph, tokens, length if entry == DECODE else None)
    if entry == PREFILL:
        only_last(graph, _logits(imported.model.graph, states), tokens)
    return replace(imported, name=f"{imported.name}.{entry}", model=model, feeds=feeds)


def _tokens(graph: ir.Graph) -> ir.SymbolicDim:
    """The open dimension of the tokens; raises ModelError where there is none."""
    for value in graph.inputs:
        if value.name == TOKENS and value.shape is not None and len(value.shape) == 2:
            dim = value.shape[1]
            if isinstance(dim, ir.SymbolicDim):
                return dim
    raise ModelError(
        f"a decoder reads tokens as {TOKENS} [batch, sequence], with the sequence open",
        where=graph.name or "model",
        fix=f"its inputs are {', '.join(str(value.name) for value in graph.inputs)}; export it so",
    )


def _one_row(graph: ir.Graph, joined: Sequence[Joined], tokens: ir.SymbolicDim) -> None:
    """Bind the dimension of the batch, by its name and where tokens have it, to one row."""
    rows = {
        dim.value
        for each in joined
        for at, dim in enumerate(each.past.shape or ())
        if at != each.axis and isinstance(dim, ir.SymbolicDim) and dim.value
    }
    for value in (*graph.inputs, *graph.outputs):
        if value.shape is None:
            continue
        named = [_bound(dim, rows - {tokens.value}) for dim in value.shape]
        if value.name in {TOKENS, MASK, POSITIONS}:
            named[0] = 1
        value.shape = ir.Shape(named)


def _bound(dim: int | ir.SymbolicDim, rows: set[str]) -> int | ir.SymbolicDim:
    return 1 if isinstance(dim, ir.SymbolicDim) and dim.value in rows else dim


def _tie_mask(graph: ir.Graph, tokens: ir.SymbolicDim, past: int | ir.SymbolicDim | None) -> None:
    """The mask is of all positions, whatever the exporter calls their number."""
    total = tokens
    if isinstance(past, ir.SymbolicDim):
        total = ir.SymbolicDim(f"{past.value} + {tokens.value}" if past.value else None)
    for value in graph.inputs:
        if value.name == MASK:
            value.shape = ir.Shape([1, total])


def _sizes(graph: ir.Graph, tokens: int, length: int) -> Shapes:
    """Of what is known by name, with so many new tokens behind `length`."""
    known = {TOKENS: (1, tokens), MASK: (1, length + tokens), POSITIONS: (1, tokens)}
    names = {value.name for value in graph.inputs}
    return {name: shape for name, shape in known.items() if name in names}


def _samples(imported: Imported, tokens: int, length: int) -> Feeds:
    """Sample inputs of the same lengths: the model's own tokens, all of which count."""
    samples: dict[str, Tensor] = {}
    for value in imported.model.graph.inputs:
        name = str(value.name)
        dtype = None if value.dtype is None else value.dtype.numpy()
        if name == MASK:
            samples[name] = np.ones((1, length + tokens), dtype)
        elif name == POSITIONS:
            samples[name] = np.arange(length, length + tokens, dtype=dtype)[None]
        elif name == TOKENS and name in imported.feeds:
            samples[name] = np.resize(imported.feeds[name], (1, tokens))
        elif name in imported.feeds:
            samples[name] = imported.feeds[name]
    return samples


def _logits(graph: ir.Graph, states: Sequence[State]) -> str:
    """The output called so, or the only one that is no state; empty where that is not plain."""
    presents = {state.present for state in states}
    others = [str(value.name) for value in graph.outputs if value.name not in presents]
    if "logits" in others:
        return "logits"
    return others[0] if len(others) == 1 else ""
