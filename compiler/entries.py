"""The entries of a model: `main`, or `prefill` and `decode` where it has a cache, behind `encode`
where it has an encoder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import onnx_ir as ir

from stagecut.compiler.arguments import each_shape
from stagecut.compiler.formats.archive import ArchiveWriter
from stagecut.compiler.formats.weights import WeightFile, write_weights_into
from stagecut.compiler.frontends.decoder.encoder import (
    EncoderDecoder,
    encoder_decoder,
    handed_shapes,
    with_types,
)
from stagecut.compiler.frontends.decoder.entries import Decoder, decoder_of
from stagecut.compiler.frontends.feeds import check_feeds, input_types
from stagecut.compiler.frontends.imported import Imported
from stagecut.compiler.frontends.normal_form.normalise import open_form
from stagecut.compiler.frontends.shapes import Shapes
from stagecut.compiler.frontends.variants import programs_for
from stagecut.compiler.ir.costs import Costs, CostTable
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.measured_machine import MeasuredMachine
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.plan import MAIN, PlannedEntry
from stagecut.compiler.ir.program import Program
from stagecut.compiler.ir.residents import NO_RESIDENTS, Residents
from stagecut.compiler.ir.state import DECODE, ENCODE, PREFILL, Decoding, DecodingOptions, State


@dataclass(frozen=True, slots=True)
class Entry:
    """One way into the model: a program for each shape, and `opened`, the model with its open
    dimensions, where it has any."""

    name: str
    imported: Imported
    programs: Sequence[Program]
    opened: ir.Model | None

    @property
    def models(self) -> list[ir.Model]:
        """All that weights are written of."""
        opened = [] if self.opened is None else [self.opened]
        return [program.model for program in self.programs] + opened


def entries_of(
    imported: Imported, shapes: Sequence[Shapes], feeds: Feeds | None, options: DecodingOptions
) -> tuple[tuple[Entry, ...], Decoding | None]:
    """The entries in the order in which a run needs them, and what those of a decoder share.

    `shapes` are those of each variant; of a decoder, `feeds` are where samples begin. Raises
    UsageError for a decoder with several shapes, and what the frontends raise.
    """
    both = encoder_decoder(imported, options.handed)
    if both is not None:
        _check_one_shape(imported, shapes)
        return _encoder_decoder(both, shapes[0], feeds, options)
    sampled = replace(imported, feeds={**imported.feeds, **(feeds or {})})
    decoder = decoder_of(sampled, options, shapes[0])
    if decoder is None:
        return (_entry(MAIN, imported, shapes, feeds),), None
    inputs = imported.model.graph.inputs
    check_feeds(input_types(inputs), feeds or {}, optional={str(value.name) for value in inputs})
    _check_one_shape(imported, shapes)
    return _entries(decoder), decoder.decoding


def _encoder_decoder(
    both: EncoderDecoder, shapes: Shapes, feeds: Feeds | None, options: DecodingOptions
) -> tuple[tuple[Entry, ...], Decoding | None]:
    """`shapes` and `feeds` are of what the encoder reads."""
    encode = _entry(ENCODE, both.encode, [shapes], feeds)
    [program] = encode.programs
    sizes = handed_shapes(both, program)
    decoder = decoder_of(with_types(both, program, encode.opened), options, sizes, both.handed)
    if decoder is None:
        raise AssertionError("what is handed on makes it one")
    return (encode, *_entries(decoder)), decoder.decoding


def _entries(decoder: Decoder) -> tuple[Entry, ...]:
    entries = decoder.entries.items()
    made = {name: _entry(name, each.imported, [each.shapes], None) for name, each in entries}
    step = made[DECODE]
    programs = [_keeping(program, decoder.decoding) for program in step.programs]
    made[DECODE] = replace(step, programs=programs)
    return tuple(made.values())


def _check_one_shape(imported: Imported, shapes: Sequence[Shapes]) -> None:
    if len(shapes) > 1:
        raise UsageError(
            "a decoder is compiled for one length of prompt",
            where=imported.source,
            fix="give one shape of each input; the plan runs at every length",
        )


def _keeping(program: Program, decoding: Decoding) -> Program:
    """The step's program, which reads states."""
    return replace(program, states=tuple(state.past for state in _growing(decoding)))


def _growing(decoding: Decoding) -> tuple[State, ...]:
    """The states that a device may keep: rows are added to what there is."""
    return tuple(state for state in decoding.states if not state.whole)


def decode_step(
    imported: Imported, feeds: Feeds | None, options: DecodingOptions, shapes: Shapes
) -> tuple[Program, Residents]:
    """A decoder's step alone, behind as many tokens as `options` say, with its states.

    Raises UsageError for a model that is no decoder, and what the frontends raise.
    """
    sampled = replace(imported, feeds={**imported.feeds, **(feeds or {})})
    decoder = decoder_of(sampled, options, shapes)
    if decoder is None:
        raise AssertionError("options that are given are refused where there is no decoder")
    step = decoder.entries[DECODE]
    [program] = programs_for(step.imported, [step.shapes], None)
    program = _keeping(program, decoder.decoding)
    return program, Residents(_growing(decoder.decoding), decoder.decoding.capacity)


def residents_of(
    name: str,
    decoding: Decoding | None,
    planned: Mapping[str, PlannedEntry],
    machine: MeasuredMachine | None,
) -> Residents:
    """The states of an entry that stay where decode reads them; `planned` has decode, where this is
    prefill. Over several hosts, states go through the first one."""
    if decoding is None or machine is not None:
        return NO_RESIDENTS
    if name == DECODE:
        return Residents(_growing(decoding), decoding.capacity)
    presents = {state.present for state in _growing(decoding)}
    homes = planned[DECODE].variants[0].run.homes
    return Residents(ends={name: homes[name] for name in homes if name in presents})


def further_lengths(
    name: str, entries: Sequence[Entry], decoding: Decoding | None, *, by_costs: bool
) -> tuple[int, ...]:
    """Behind which numbers of tokens a step is looked at, beside the one that it is made for: the
    prompt's, and all but one that a sequence holds. None of other entries, nor where costs were
    handed in, which are of one length, nor where the step reads more than states that grow."""
    if decoding is None or name != DECODE or by_costs:
        return ()
    if decoding.held or len(_growing(decoding)) < len(decoding.states):
        return ()
    prefill = next(entry for entry in entries if entry.name == PREFILL)
    return prefill.programs[0].feeds[decoding.tokens].shape[1], decoding.capacity - 1


def costs_by_entry(
    costs: Costs | Mapping[str, Costs] | None, names: Sequence[str] = (MAIN,)
) -> Mapping[str, Costs]:
    """Of each entry: nothing where nothing is given; a table alone is of `main`, and a function of
    all entries, whose names are `names`."""
    if costs is None:
        return {}
    if isinstance(costs, Mapping):
        return costs
    return {MAIN: costs} if isinstance(costs, CostTable) else dict.fromkeys(names, costs)


def tables_in(costs: Costs | Mapping[str, Costs] | None) -> Mapping[str, CostTable]:
    """Those of the costs that are tables, by the names of entries."""
    given = costs_by_entry(costs).items()
    return {name: each for name, each in given if isinstance(each, CostTable)}


def named_in(tables: Mapping[str, CostTable]) -> list[str] | None:
    """The devices of all tables, each once; None where there is no table."""
    machines = [table.machine for table in tables.values()]
    names = [device.name for machine in machines for device in machine.devices]
    return [*dict.fromkeys(names)] or None


def shapes_of_variants(
    shapes: Shapes | Sequence[Shapes] | None, tables: Mapping[str, CostTable]
) -> Sequence[Shapes]:
    """The shapes of each variant, one after the other. Raises UsageError for several where there is
    a table, and ShapeError."""
    several = each_shape(shapes)
    if tables and len(several) > 1:
        raise UsageError(
            "a cost table is for one shape of each input",
            where=f"cost table {next(iter(tables.values())).name}",
            fix="compile without the table, or for one shape",
        )
    return several


def check_entries(names: Sequence[str], costs: Mapping[str, Costs], objective: Objective) -> None:
    """Raises UsageError where the question does not go with the entries of these names."""
    if costs and [*costs] != [*names]:
        raise UsageError(
            f"there are tables for {', '.join(costs)}, and entries {', '.join(names)}",
            where="costs",
            fix="give one for each entry, by name and in this order, or none",
        )
    if objective.streams and MAIN not in names:
        raise UsageError(
            "a decoder does not stream: each token needs the one before it",
            where="objective",
            fix="compile it for latency or energy",
        )


def weights_into(archive: ArchiveWriter, entries: Sequence[Entry]) -> list[list[WeightFile]]:
    """Write the weights of all entries in full, once; where those of each entry's models lie."""
    written = iter(write_weights_into([each for e in entries for each in e.models], archive))
    found = []
    for entry in entries:
        own = [*islice(written, len(entry.models))]
        if entry.opened is not None:
            own[-1].refer(entry.opened.graph)
        found.append(own)
    return found


def _entry(name: str, imported: Imported, shapes: Sequence[Shapes], feeds: Feeds | None) -> Entry:
    return Entry(name, imported, programs_for(imported, shapes, feeds), open_form(imported))
