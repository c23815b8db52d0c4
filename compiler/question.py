"""What is asked for, whatever the shapes; answered for one shape at a time.

Program -> Graph -> cluster -> expand -> profile -> CostTable -> restrict
        -> partition -> Schedule + Certificate -> contenders -> build -> gate -> assemble
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import onnx_ir as ir

from stagecut import backends
from stagecut.compiler.among_rewrites import Rewrites, coded_costs
from stagecut.compiler.arguments import (
    table_of,
)
from stagecut.compiler.arrows import Dump, Phases
from stagecut.compiler.between_hosts import BetweenHosts, Rewritten, changing
from stagecut.compiler.context import CompileContext
from stagecut.compiler.context_of import context_of
from stagecut.compiler.decide import Decide, expanded_without
from stagecut.compiler.decide_over_hosts import DecideOverHosts
from stagecut.compiler.decide_stream import DecideStream
from stagecut.compiler.error_budget import ErrorBudget, without_idle
from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.formats.plan_members import (
    Members,
    costs_file,
    file_prefix,
    stream_file,
)
from stagecut.compiler.formats.weights import WeightFile
from stagecut.compiler.frontends.normal_form.normalise import declared
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.frontends.zoo import PREFIX
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import Costs
from stagecut.compiler.ir.errors import (
    AllFailedError,
    EngineError,
    StagecutError,
    UnplaceableError,
)
from stagecut.compiler.ir.graph import Graph
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.plan import (
    MAIN,
    OverLink,
    PlannedVariant,
)
from stagecut.compiler.ir.program import Program
from stagecut.compiler.ir.residents import NO_RESIDENTS, Residents
from stagecut.compiler.ir.stream_certificate import Limit, latency_limit
from stagecut.compiler.kept_profile import profile_of
from stagecut.compiler.known_costs import KnownCosts
from stagecut.compiler.measure.crash_journal import REFERENCE
from stagecut.compiler.measurements import Measurements
from stagecut.compiler.original import Original
from stagecut.compiler.over_hosts import OverHosts
from stagecut.compiler.right import Right
from stagecut.compiler.spare import with_weights_of
from stagecut.passes.assemble import Assemble
from stagecut.passes.cluster.cluster import Cluster, Granularity
from stagecut.passes.expand import Expand
from stagecut.passes.gate.contenders import proposal_of
from stagecut.passes.gate.fallback import fallback
from stagecut.passes.partition.restrict import Restrict
from stagecut.passes.profile.handed_in import handed_in
from stagecut.passes.profile.profile import Profiled


@dataclass(frozen=True, slots=True)
class Priced:
    """What is known `of` a program before anything is decided; `budget` is of errors, None where
    they were not measured yet. `dump` goes on from what was written down by then."""

    of: Program
    measurements: Measurements
    expanded: ExpandedGraph
    profiled: Profiled
    dump: Dump
    budget: ErrorBudget | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """Of one entry. `costs` stand for a measurement; `phases` takes down where time goes. With
    `hosts`, nodes run on any of these. `right` says what is right, where that is not the model
    itself."""

    context: CompileContext
    objective: Objective
    restrict: Restrict
    granularity: Granularity
    tolerance: float | None
    max_energy_j: float | None
    limits: tuple[Limit, ...]
    max_batch: int | None
    phases: Phases
    entry: str = MAIN
    residents: Residents = NO_RESIDENTS
    #: Behind which further numbers of tokens a decoder's step is looked at.
    lengths: tuple[int, ...] = ()
    costs: Costs | None = None
    #: So many inputs are in each call, and whether replicas in processes may be faster then.
    size: int = 1
    processes: bool = True
    hosts: OverHosts | None = None
    right: Right | None = None
    #: Of a program that is made from the model's: the values that it hands from host to host, and
    #: what the names of its dump begin with.
    wire: frozenset[str] = frozenset()
    dumped: str = ""
    #: What nodes take that are the model's own, where they were measured for another program.
    known: KnownCosts | None = None
    #: What is known of one program already.
    prices: Priced | None = None

    def answered(
        self,
        program: Program,
        weights: WeightFile,
        opened: ir.Model | None,
        members: Members,
        index: int,
    ) -> PlannedVariant:
        """The variant `index`; puts the files that it names into `members`.

        Where the devices that were asked for fail, or give no right outputs, the reference is added
        to them.
        """
        try:
            planned = self._asked(program, weights, opened, members, index)
        except (AllFailedError, EngineError) as error:
            if REFERENCE in self.context.backends or self.costs is not None:
                raise
            specs = (*self.context.specs.values(), REFERENCE)
            context = context_of(specs, self.context.settings)
            hosts = None if self.hosts is None else replace(self.hosts, here=context)
            wider = replace(self, context=context, hosts=hosts, prices=None)
            planned = wider._asked(program, weights, opened, members, index)
            told = f"{REFERENCE} is added to the devices: {error.problem}"
            planned = replace(planned, workarounds=(told, *planned.workarounds))
        for workaround in planned.workarounds:
            self.context.settings.warn(f"worked around: {workaround}")
        return planned

    def _asked(
        self,
        program: Program,
        weights: WeightFile,
        opened: ir.Model | None,
        members: Members,
        index: int,
    ) -> PlannedVariant:
        """Over hosts once more, where these then have less to hand to each other."""
        own = Members()
        planned = self(program, weights, opened, own, index)
        if opened is None:
            planned, own = self._with_less_to_hand_over(program, weights, planned, own, index)
        members.update(own)
        return planned

    def _with_less_to_hand_over(
        self,
        program: Program,
        weights: WeightFile,
        planned: PlannedVariant,
        members: Members,
        index: int,
    ) -> tuple[PlannedVariant, Members]:
        """The variant with its files, or another one with its own, which is faster; with what is
        proved of all that might be."""
        if self.hosts is None:
            return planned, members
        measurements, _ = self.measurable(program, weights, None)
        table = read_costs(members.files[costs_file(index, self.entry)].decode())
        allowed, rewrites = self.restrict(table), self._rewrites(measurements.graph, self.hosts)
        try:
            prove = rewrites.for_streams if self.objective.streams else rewrites.for_latency
            among = prove(allowed)
        except UnplaceableError as error:
            self._warn_that_it_stays(error)
            return planned, members
        known = KnownCosts.of(measurements.graph, table)
        asked = replace(self, right=self.right or measurements.as_right, known=known)
        best, tried = (planned, members), list[tuple[OverLink, ...]]()
        places = rewrites.tried(allowed, planned.schedule, among)
        while not among.is_met(best[0].shipped.median_s):
            try:
                memories = next(places, None)
                if memories is None:
                    break
                between = BetweenHosts(self.hosts.machine, measurements, table, memories)
                found = between.rewritten(self.tolerance)
                if found is not None and found.told not in tried:
                    tried.append(found.told)
                    best = min(best, asked._rewritten(found, weights, index), key=_predicted_s)
            except StagecutError as error:
                self._warn_that_it_stays(error)
        return replace(best[0], rewrites=among.certificate(best[0].shipped.median_s)), best[1]

    def _warn_that_it_stays(self, error: StagecutError) -> None:
        """There is a plan without it."""
        told = f"what hosts hand to each other stays as it is: {error.problem}"
        self.context.settings.warn(told)

    def _rewrites(self, graph: Graph, hosts: OverHosts) -> Rewrites:
        coded_s = {} if self.tolerance is None else coded_costs(graph, hosts.machine)
        return Rewrites(changing(graph), coded_s)

    def _rewritten(
        self, found: Rewritten, weights: WeightFile, index: int
    ) -> tuple[PlannedVariant, Members]:
        own = Members()
        asked = replace(self, wire=found.wire, dumped="less-")
        planned = asked(found.program, weights, None, own, index)
        return replace(planned, over_links=found.told), own

    def __call__(
        self,
        program: Program,
        weights: WeightFile,
        opened: ir.Model | None,
        members: Members,
        index: int,
    ) -> PlannedVariant:
        phases, prefix = self.phases, file_prefix(index, self.entry)
        priced = self.prices
        if priced is None or priced.of is not program:
            priced = self.priced(program, weights, opened, index)
        measurements, profiled, dump = priced.measurements, priced.profiled, priced.dump
        program = measurements.program
        decided = self._decide(priced.budget)(measurements, priced.expanded, profiled, dump)
        with phases("assemble"):
            compared = decided.compared
            chosen = proposal_of(decided.rivals, compared.chosen.id)
            always = backends.always(self.context.specs)  # never those of other hosts
            plain = fallback(
                decided.rivals, compared.contenders, decided.costs, self.objective, always
            )
            shipped = measurements.answers.staged(chosen), chosen.account
            spare = None
            if plain is not None:
                spare = measurements.answers.staged(plain, "fallback"), plain.account
            dump("stages", shipped[0])
            planned = Assemble(
                decided.expanded,
                decided.costs,
                decided.certificate,
                profiled.paths,
                program,
                measurements.identity.provenance(self._options(program), compared.chosen.id),
                self.objective,
                decided.totals,
                measurements.context.backends,
                {} if opened is None else declared(opened, program),
                prefix,
            )(
                shipped,
                compared.contenders,
                compared.chosen_accuracy,
                (*self.context.told, *map(str, decided.faults), *compared.dropped),
                spare,
                compared.checks,
                tuple(filter(None, (profiled.circumstances, compared.circumstances))),
                decided.stream,
                decided.precision,
            )
            programs = measurements.answers.stored(shipped[0])
            if plain is not None and spare is not None:
                answers = measurements.answers
                limit = answers.limit(self.tolerance, chosen)
                programs += with_weights_of(programs, plain, spare[0], answers, limit)
            for each in programs:
                members.models[f"{prefix}{each.name}.onnx"] = each.model
            members.files[costs_file(index, self.entry)] = decided.costs_text.encode()
            if decided.proof:
                members.files[stream_file(index, self.entry)] = decided.proof.encode()
        return planned

    def priced(
        self, program: Program, weights: WeightFile, opened: ir.Model | None, index: int
    ) -> Priced:
        """The program of the variant `index` with what its nodes take."""
        prefix = file_prefix(index, self.entry)
        dump = Dump(self.context.settings.dump, f"{prefix}{self.dumped}")
        with self.phases("plan"):
            measurements, expanded = self.placed(program, weights, opened)
            dump("graph", measurements.graph)
            dump("expanded", expanded)
            self.restrict.check(expanded)
        with self.phases("profile"):
            measurements = measurements.on_samples_that_run()
            measurements.answers.check_metric()
            profiled = self.profiled(measurements, expanded)
            expanded = expanded_without(expanded, profiled.faults)
        return Priced(program, measurements, expanded, profiled, dump)

    def placed(
        self, program: Program, weights: WeightFile, opened: ir.Model | None
    ) -> tuple[Measurements, ExpandedGraph]:
        """The program with all that can be said of it before anything is measured."""
        context = self.context if self.hosts is None else self.hosts.context
        graph = Cluster(self.context.backends, self.granularity, self.wire)(graph_of(program))
        expanded = without_idle(Expand(context.backends)(graph), context.backends)
        measurements = Measurements(
            context,
            program,
            graph,
            weights,
            opened,
            self.residents,
            self.right,
        )
        return measurements, expanded

    def measurable(
        self, program: Program, weights: WeightFile, opened: ir.Model | None
    ) -> tuple[Measurements, ExpandedGraph]:
        """The same, with samples and ranges: as engines are to have it, whatever it is run for."""
        measurements, expanded = self.placed(program, weights, opened)
        return measurements.on_samples_that_run(), expanded

    def _decide(self, budget: ErrorBudget | None) -> Decide | DecideStream | DecideOverHosts:
        """`budget` is of errors that are known already."""
        by_costs = self.costs is not None or self.hosts is not None
        if self.objective.streams and self.hosts is not None:
            latency = latency_limit(self.limits)
            return DecideOverHosts(self.restrict, self.tolerance, latency, self.phases)
        if self.objective.streams:
            return DecideStream(
                self.restrict,
                self.tolerance,
                self.limits,
                by_costs,
                self.phases,
                self.size,
                self.processes,
            )
        return Decide(
            self.objective,
            self.restrict,
            self.tolerance,
            self.max_energy_j,
            by_costs,
            self.phases,
            budget,
        )

    @property
    def _streamed_here(self) -> DecideStream | None:
        """What tells the costs of this host's devices as they are in streams; None for others."""
        if not self.objective.streams:
            return None
        return DecideStream.of_any(self.tolerance, self.phases)

    def profiled(self, measurements: Measurements, expanded: ExpandedGraph) -> Profiled:
        """The costs: measured, or those that were handed in."""
        if self.hosts is not None:
            return self.hosts.profile(measurements, self._streamed_here, self.known)
        if self.costs is None:
            return profile_of(measurements, expanded)
        profiled = handed_in(table_of(self.costs, expanded), expanded, self.residents.names)
        return replace(profiled, costs=measurements.with_residents(profiled.costs))

    def _options(self, program: Program) -> Mapping[str, str]:
        """`of the zoo` names no path, and nothing that runs code of others."""
        of_zoo = {"of the zoo": program.source} if program.source.startswith(PREFIX) else {}
        return {
            **of_zoo,
            "granularity": self.granularity,
            "objective": str(self.objective),
            "pin": ", ".join(map(str, self.restrict.pins)),
            "forbid": ", ".join(map(str, self.restrict.forbids)),
            "tolerance": "" if self.tolerance is None else f"{self.tolerance:g}",
            **({"reference": self.right.source} if isinstance(self.right, Original) else {}),
            **({} if self.max_energy_j is None else {"max energy": f"{self.max_energy_j:g} J"}),
            **{f"max {limit.name}": limit.exactly for limit in self.limits},
        }


def _predicted_s(answered: tuple[PlannedVariant, Members]) -> float:
    return answered[0].shipped.median_s
