"""The beginning of a compile by itself: which device takes what, and what would be measured.

model -> entries: Program -> Graph -> cluster -> expand -> what is run of it to measure the rest
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

from stagecut import backends
from stagecut.compiler.context_of import without_crashed
from stagecut.compiler.entries import (
    check_entries,
    costs_by_entry,
    decode_step,
    entries_of,
    named_in,
    shapes_of_variants,
    tables_in,
)
from stagecut.compiler.error_budget import without_idle
from stagecut.compiler.frontends.load import import_model
from stagecut.compiler.frontends.model_folder import with_encoder
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.answer import of_answer
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.device import Backend, Feeds, Listener
from stagecut.compiler.ir.objective import LATENCY, Objective, parse_objective
from stagecut.compiler.ir.plan import MAIN
from stagecut.compiler.ir.program import Program
from stagecut.compiler.ir.state import DECODE, DecodingOptions
from stagecut.passes.cluster.cluster import Cluster, Granularity
from stagecut.passes.expand import Expand
from stagecut.passes.partition.restrict import Restrict
from stagecut.passes.profile.handed_in import handed_in
from stagecut.passes.profile.kinds import Representatives, kinds_of
from stagecut.passes.profile.paths import Path, plan_paths


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """An entry at one shape: the graph on its devices, and the part of it whose runs along `paths`
    measure all of it."""

    entry: str
    shapes: Mapping[str, tuple[int, ...]]
    expanded: ExpandedGraph
    part: ExpandedGraph
    paths: tuple[Path, ...]

    def takes(self, device: str) -> int:
        return sum(device in names for names in self.expanded.candidates.values())

    def refuses(self, device: str) -> Counter[str]:
        """How many nodes, by the reason."""
        given = self.expanded.refusals.values()
        return Counter(reasons[device] for reasons in given if device in reasons)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """For what each entry is compiled, and on what; `read_s` is what all of this took: reading the
    model, and asking the devices."""

    objective: Objective
    engines: Mapping[str, Backend]
    parts: tuple[Rehearsed, ...]
    read_s: float


def rehearse(  # noqa: PLR0913  as compile_model, whose beginning it is
    model: str,
    *,
    feeds: Feeds | None,
    devices: Sequence[str] | None,
    variants: Sequence[Mapping[str, tuple[int, ...]]],
    granularity: Granularity,
    restrict: Restrict,
    decoding: DecodingOptions = DecodingOptions(),
    objective: str = str(LATENCY),
    costs: CostTable | None = None,
    lower_precision: str = "",
    listener: Listener = backends.UNHEARD,
    clock: Callable[[], float] = perf_counter,
) -> Rehearsal:
    """Raises what `compile` would before it measures anything. `decoding` with a length asks about
    a decoder's step behind so many tokens; `costs` are those that `compile` would be handed.
    Without `devices`, they are those of the costs, or the real ones, with those of
    `lower_precision`; `listener` is told what they are asked."""
    start_s = clock()
    objective, decoding = of_answer(objective, decoding)
    goal, tables = parse_objective(objective), tables_in(costs)
    named = devices or named_in(tables)
    named = named or backends.real_devices(lower_precision=lower_precision, listener=listener)
    engines = backends.create_all([*without_crashed(named, listener)], listener)
    bound = shapes_of_variants(variants, tables)
    programs = [*_programs(model, feeds, bound, decoding)]
    names = [*dict.fromkeys(entry for entry, _, _ in programs)]
    check_entries(names, costs_by_entry(costs), goal)
    found = []
    for entry, shapes, program in programs:
        graph = Cluster(engines, granularity)(graph_of(program))
        expanded = without_idle(Expand(engines)(graph), engines)
        restrict.check(expanded)
        if costs is not None:
            handed_in(costs, expanded)
        chosen = Representatives.of(expanded, kinds_of(program))
        paths = plan_paths(chosen.expanded, chosen.of_all).paths
        found.append(Rehearsed(entry, shapes, expanded, chosen.expanded, paths))
    return Rehearsal(goal, engines, tuple(found), clock() - start_s)


def _programs(
    model: str,
    feeds: Feeds | None,
    variants: Sequence[Mapping[str, tuple[int, ...]]],
    decoding: DecodingOptions,
) -> Iterator[tuple[str, Mapping[str, tuple[int, ...]], Program]]:
    """With the entry of each, and the shapes that were asked for."""
    named = [name for shapes in variants for name in shapes]
    imported, feeds = import_model(model, feeds=feeds, shaped=named)
    imported = with_encoder(imported, decoding.encoder)
    if decoding.length is not None:
        yield DECODE, variants[0], decode_step(imported, feeds, decoding, variants[0])[0]
        return
    entries, _ = entries_of(imported, variants, feeds, decoding)
    for entry in entries:
        asked = variants if entry.name == MAIN else [{}] * len(entry.programs)
        for shapes, program in zip(asked, entry.programs, strict=True):
            yield entry.name, shapes, program
