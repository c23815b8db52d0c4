"""A decoder as two models: `prefill`, which begins with nothing, and `decode`, which goes on."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import onnx_ir as ir

from stagecut.compiler.frontends.decoder.fused import with_growth
from stagecut.compiler.frontends.decoder.grouped import group_queries
from stagecut.compiler.frontends.decoder.last_row import only_last
from stagecut.compiler.frontends.decoder.merged import with_cache
from stagecut.compiler.frontends.decoder.pairs import carried_on, find_pairs, is_replaced
from stagecut.compiler.frontends.decoder.scattered import with_written
from stagecut.compiler.frontends.decoder.states import Joined, begin, grow
from stagecut.compiler.frontends.decoder.tokens import tokens_input, tokens_of
from stagecut.compiler.frontends.decoder.written import read_in_place, room_of, written_states
from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.frontends.shapes import Shapes
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.state import (
    CACHE_POSITIONS,
    DECODE,
    MASK,
    POSITIONS,
    PREFILL,
    Decoding,
    DecodingOptions,
    Handed,
    Replaced,
    State,
    positional,
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


def decoder_of(
    imported: Imported, options: DecodingOptions, shapes: Shapes, handed: Sequence[Handed] = ()
) -> Decoder | None:
    """The entries of `imported`, which stays as it is; None where it is no decoder, or where
    `shapes` ask for one of its steps at a fixed length, which then is an ordinary program.
    `handed` is what its inputs are given by an encoder.

    Raises ModelError for a decoder whose cache or tokens are not as they have to be, UsageError
    for options that do not go with it.
    """
    imported = replace(imported, model=with_growth(with_cache(imported.model)))
    imported = imported if options.states else with_written(imported)
    graph = imported.model.graph
    taken = [each.target for each in handed]
    written = () if options.states else written_states(imported)
    pairs = () if written else find_pairs(graph, options.states, taken)
    carried = {*(past.name for past, _ in pairs), *(state.past for state in written)}
    if not (carried or handed) or not carried.isdisjoint(shapes):
        if options.is_given:
            raise UsageError(
                "it is no decoder: it has no inputs that its outputs carry on",
                where=imported.source,
                fix="leave prompt, capacity and length out, or pair them: --state PAST=PRESENT",
            )
        return None
    whole = [*carried_on(graph, taken), *(pair for pair in pairs if is_replaced(*pair))]
    replaced = tuple(Replaced(str(past.name), str(present.name)) for past, present in whole)
    name = tokens_input(graph, {*taken, *(str(past.name) for past, _ in (*pairs, *whole))})
    sequences = _sequences(imported, name, options)
    if sequences > 1 and (handed or any(each.row[0] != sequences for each in written)):
        raise UsageError(
            f"{sequences} at once are asked for, and its "
            f"{'encoder speaks of one thing' if handed else 'cache has room for one'}",
            where="sequences",
            fix="leave it out, or give each a sequence of its own",
        )
    states = written or tuple(
        Joined.of(*pair, sequences).state for pair in pairs if pair not in whole
    )
    room = room_of(imported, written)
    if room is not None and options.capacity not in {None, room}:
        raise UsageError(
            f"its cache is made for {room} tokens, and {options.capacity} are asked for",
            where="capacity",
            fix="leave it out, or export the model with another cache",
        )
    prompt, capacity, length = options.lengths(room or _room(imported, name, states))
    decoding = Decoding(
        states, capacity, "", options.new or 0, name, tuple(handed), replaced, sequences
    )
    changed = {each.output for each in imported.changes}
    decoding = replace(decoding, logits=_logits(graph, changed.union(decoding.presents)))
    rewriting = _Rewriting(imported, decoding, _batches(graph, decoding))
    held = {each.past: (capacity if each.whole else length, *each.row) for each in states}
    entries = {}
    if states:
        entries[PREFILL] = EntryModel(
            rewriting(PREFILL, begin, _samples(imported, decoding, prompt, 0)),
            {**_sizes(graph, decoding, prompt, 0), **shapes},
        )
    entries[DECODE] = EntryModel(
        rewriting(DECODE, grow, _samples(imported, decoding, 1, length)),
        {**_sizes(graph, decoding, 1, length), **held, **shapes},
    )
    return Decoder(entries, decoding)


@dataclass(frozen=True, slots=True)
class _Rewriting:
    """What both entries are made of: the model, what they share, and what batches are called."""

    imported: Imported
    decoding: Decoding
    batches: frozenset[str]

    def __call__(self, entry: str, rewrite: _Rewrite, feeds: Feeds) -> Imported:
        model = self.imported.model.clone()
        graph = model.graph
        group_queries(graph)
        if self.decoding.states:
            self._hand_back_rows(graph, entry, rewrite)
        else:
            _bind_batch(graph, self.batches, self.decoding)
        own = f"{self.imported.name}.{entry}"
        return replace(self.imported, name=own, model=model, feeds=feeds)

    def _hand_back_rows(self, graph: ir.Graph, entry: str, rewrite: _Rewrite) -> None:
        """Of states whose rows are joined to those that there were, or, all of them, written among
        these in place."""
        name, states = self.decoding.tokens, self.decoding.states
        inputs = {value.name: value for value in graph.inputs}
        outputs = {value.name: value for value in graph.outputs}
        joined = [
            Joined.of(inputs[each.past], outputs[each.present], self.decoding.sequences)
            for each in states
            if not each.whole
        ]
        tokens = tokens_of(graph, name)
        length = joined[0].past_length if joined and entry == DECODE else None
        _bind_batch(graph, self.batches - {str(tokens.value)}, self.decoding)
        if joined:
            for each in joined:
                rewrite(graph, each, tokens)
            _tie_mask(graph, tokens, length, self.decoding.sequences)
        else:
            read_in_place(graph, states, self._dropped, goes_on=entry == DECODE)
            _tie_positions(graph, tokens)
        if entry == PREFILL:
            only_last(graph, self.decoding.logits, tokens)

    @property
    def _dropped(self) -> list[str]:
        """What says how many tokens there are, and no state does."""
        presents = self.decoding.presents
        return [each.output for each in self.imported.changes if each.output not in presents]


def _room(imported: Imported, tokens: str, states: Sequence[State]) -> int | None:
    """How many tokens the model's own samples come to, where it brings any."""
    samples = imported.feeds
    if not states or tokens not in samples or states[0].past not in samples:
        return None
    state = states[0]
    return int(samples[tokens].shape[-1]) + int(samples[state.past].shape[state.axis])


def _batches(graph: ir.Graph, decoding: Decoding) -> frozenset[str]:
    """What the dimension of the batch is called: an open one of a state that is not its rows', else
    the first of what is read."""
    axes = {state.past: state.axis for state in decoding.states}
    names = {decoding.tokens, *decoding.held}
    found = set()
    for value in graph.inputs:
        name = str(value.name)
        for at, dim in enumerate(value.shape or ()):
            is_batch = at != axes[name] if name in axes else at == 0 and name in names
            if is_batch and isinstance(dim, ir.SymbolicDim) and dim.value:
                found.add(dim.value)
    return frozenset(found)


def _sequences(imported: Imported, tokens: str, options: DecodingOptions) -> int:
    """How many rows the batch has: those of the model, or those that are asked for; else one.

    Raises UsageError where both are said, and differ.
    """
    shape = next(value.shape for value in imported.model.graph.inputs if value.name == tokens)
    own, asked = None if shape is None else shape[0], options.sequences
    if isinstance(own, int) and asked not in {None, own}:
        raise UsageError(
            f"the model runs {own} at once, and {asked} are asked for",
            where="sequences",
            fix="export the model with its batch open, or leave it out",
        )
    return own if isinstance(own, int) else asked or 1


def _bind_batch(graph: ir.Graph, batches: frozenset[str], decoding: Decoding) -> None:
    """Bind the dimension of the batch, by its name and where tokens have it, to the number of
    sequences."""
    for value in (*graph.inputs, *graph.outputs):
        if value.shape is None:
            continue
        named = [
            decoding.sequences if isinstance(dim, ir.SymbolicDim) and dim.value in batches else dim
            for dim in value.shape
        ]
        if value.name in {decoding.tokens, MASK, POSITIONS}:
            named[0] = decoding.sequences
        value.shape = ir.Shape(named)


def _tie_mask(
    graph: ir.Graph, tokens: ir.SymbolicDim, past: int | ir.SymbolicDim | None, sequences: int
) -> None:
    """The mask is of all positions, whatever the exporter calls their number."""
    total = tokens
    if isinstance(past, ir.SymbolicDim):
        total = ir.SymbolicDim(f"{past.value} + {tokens.value}" if past.value else None)
    for value in graph.inputs:
        if value.name == MASK:
            value.shape = ir.Shape([sequences, total])


def _tie_positions(graph: ir.Graph, tokens: ir.SymbolicDim) -> None:
    """There is one for each token, whatever the exporter calls their number."""
    for value in graph.inputs:
        if value.name == CACHE_POSITIONS:
            value.shape = ir.Shape([tokens])


def _sizes(graph: ir.Graph, decoding: Decoding, tokens: int, length: int) -> Shapes:
    """Of what is known by name, with so many new tokens behind `length`."""
    rows = decoding.sequences
    known = {
        decoding.tokens: (rows, tokens),
        MASK: (rows, length + tokens),
        POSITIONS: (rows, tokens),
        CACHE_POSITIONS: (tokens,),
    }
    names = {value.name for value in graph.inputs}
    return {name: shape for name, shape in known.items() if name in names}


def _samples(imported: Imported, decoding: Decoding, tokens: int, length: int) -> Feeds:
    """Sample inputs of the same lengths: the model's own tokens, all of which count."""
    inputs = {str(value.name): value.dtype for value in imported.model.graph.inputs}
    dtypes = {own: dtype.numpy() for own, dtype in inputs.items() if dtype is not None}
    counted, name = np.ones((decoding.sequences, length + tokens), bool), decoding.tokens
    known = {**imported.feeds, **positional(dtypes, counted, tokens)}
    if name in known:
        known[name] = np.resize(known[name], (decoding.sequences, tokens))
    return {own: known[own] for own in inputs if own in known}


def _logits(graph: ir.Graph, presents: Collection[str]) -> str:
    """The output called so, or the only one that is no state; empty where that is not plain."""
    others = [str(value.name) for value in graph.outputs if value.name not in presents]
    if "logits" in others:
        return "logits"
    return others[0] if len(others) == 1 else ""
