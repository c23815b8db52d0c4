"""What is measured of one program, and kept from one compile to the next."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

from pydantic import TypeAdapter

from stagecut import backends
from stagecut.compiler.context import CompileContext
from stagecut.compiler.formats.costs_json import read_costs, write_costs
from stagecut.compiler.formats.weights import WeightFile, model_bytes
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.device import (
    Backend,
    Estimate,
    Runner,
    StagedSchedule,
    StageProgram,
    Tensor,
    silent,
)
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.graph import Graph
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.plan import (
    Contender,
    ContenderId,
    OutputDifference,
    ProfilePath,
    Provenance,
)
from stagecut.compiler.ir.program import Program
from stagecut.compiler.ir.schedule import Run, Schedule, Stage
from stagecut.compiler.measure.cache import Cache, digest
from stagecut.compiler.measure.cpus import usable_cpus
from stagecut.compiler.measure.crash_journal import REFERENCE
from stagecut.compiler.measure.environment import cpu_model, versions
from stagecut.passes.gate.alone import Alone
from stagecut.passes.gate.build import Build, Built, within
from stagecut.passes.gate.contenders import Proposal
from stagecut.passes.gate.gate import Gate
from stagecut.passes.profile.profile import Fault, Profile, Profiled
from stagecut.passes.profile.rounds import Rounds
from stagecut.passes.stage.extract import Extractor
from stagecut.passes.stage.stage import stage
from stagecut.runtime.executor import Executor

#: How often profile paths and contenders run, by effort.
PROFILE_ROUNDS: Mapping[str, Rounds] = {
    "quick": Rounds(least=1, most=4, budget_s=0.5),
    "normal": Rounds(least=1, most=6, budget_s=1.5, counted=3),
    "thorough": Rounds(),
}
GATE_ROUNDS: Mapping[str, Rounds] = {
    "quick": Rounds(least=1, most=5, budget_s=1.0, counted=3),
    "normal": Rounds(least=2, most=11, budget_s=3.0, counted=3),
    "thorough": Rounds(least=5, most=17, budget_s=8.0, counted=3),
}


@dataclass(frozen=True, slots=True)
class KeptProfile:
    """A profile as the cache holds it; the table in its file format."""

    costs: str
    paths: tuple[ProfilePath, ...]
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class KeptAccuracy:
    """How far off one contender is."""

    id: ContenderId
    differences: tuple[OutputDifference, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """`dropped` tells of plans that an engine failed to build or to run."""

    contenders: tuple[Contender, ...]
    accuracy: tuple[KeptAccuracy, ...]
    dropped: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, contenders: tuple[Contender, ...], built: Sequence[Built], dropped: tuple[str, ...]
    ) -> "Compared":
        accuracy = tuple(KeptAccuracy(each.proposal.id, each.accuracy) for each in built)
        return cls(contenders, accuracy, dropped)

    @property
    def chosen(self) -> Contender:
        return next(contender for contender in self.contenders if contender.chosen)

    @property
    def chosen_accuracy(self) -> tuple[OutputDifference, ...]:
        found = (kept.differences for kept in self.accuracy if kept.id == self.chosen.id)
        return next(found, ())


@dataclass(frozen=True)
class Measurements:
    """One program at one shape: its graph, and its weights on disk, which must outlive this."""

    context: CompileContext
    program: Program
    graph: Graph
    weights: WeightFile
    extract: Extractor = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "extract", Extractor(self.program, self.weights))

    def build(
        self,
        staged: StagedSchedule,
        outputs: Sequence[str],
        engines: Mapping[str, Backend] | None = None,
    ) -> Runner:
        """A RunnerFactory: prepares a schedule's stages on the engines, by default the compile's
        own."""
        journal = self.context.journal
        watch = None if journal is None else journal.watch(staged)
        return Executor(staged, outputs, engines or self.context.backends, watch=watch)

    def staged(self, proposal: Proposal, prefix: str = "stage") -> StagedSchedule:
        """The proposal with its programs, whose names begin with `prefix`."""
        return stage(self.graph, proposal.schedule, proposal.account, self.extract, prefix)

    def profile(self, expanded: ExpandedGraph) -> Profiled:
        """Costs and paths, from the cache when they are there, without what is known to crash."""
        crashes = [
            Fault(crash.nodes[0], crash.device, str(crash))
            for crash in self.context.crashes
            if len(crash.nodes) == 1
            and not crash.asked
            and crash.device in expanded.candidates.get(crash.nodes[0], ())
        ]
        for fault in crashes:
            expanded = expanded.without(fault.node, fault.device, fault.reason)
        profiled = self._profile(expanded)
        return replace(profiled, faults=(*crashes, *profiled.faults))

    def _profile(self, expanded: ExpandedGraph) -> Profiled:
        settings = self.context.settings
        cache = Cache(settings.cache, "profile", TypeAdapter(KeptProfile))
        key = self._key(str(expanded), settings.effort, *self._modelled(expanded))
        kept = cache.load(key)
        if kept is not None:
            return Profiled(read_costs(kept.costs), kept.paths, kept.faults)
        rounds = PROFILE_ROUNDS[settings.effort]
        profile = Profile(
            self.context.backends, self.build, settings.clock, settings.progress, rounds
        )
        profiled = profile(expanded, self.extract, self.program.feeds)
        costs = write_costs(profiled.costs)
        cache.store(key, KeptProfile(costs, profiled.paths, profiled.faults))
        return profiled

    def _modelled(self, expanded: ExpandedGraph) -> Iterator[str]:
        """What the devices say of themselves: a model may change while its spec does not."""
        yield repr(expanded.machine)
        for node in expanded.graph.nodes:
            for name in expanded.candidates[node.name]:
                yield _answer(partial(self.context.backends[name].estimate, node))
        for value in expanded.graph.values:
            for backend in self.context.backends.values():
                for link in backend.links:
                    yield _answer(partial(link.estimate, value))

    def compare(
        self,
        proposals: Sequence[Proposal],
        costs: CostTable,
        objective: Objective,
        tolerance: float | None,
    ) -> Compared:
        """The contenders by measurement, from the cache when the same ones were compared.

        Those with a stage that is known to crash are left out, and those that are further off
        than `tolerance`.
        """
        crashed = {(crash.device, crash.nodes) for crash in self.context.crashes}
        dropped = [
            proposal
            for proposal in proposals
            if crashed & {(part.device, part.nodes) for part in proposal.schedule.stages}
        ]
        left = [proposal for proposal in proposals if proposal not in dropped]
        compared = self._compare(left or proposals, costs, objective, tolerance)
        told = (f"plan {each.name} is left out: it crashed the process" for each in dropped)
        return replace(compared, dropped=(*told, *compared.dropped))

    def _compare(
        self,
        proposals: Sequence[Proposal],
        costs: CostTable,
        objective: Objective,
        tolerance: float | None,
    ) -> Compared:
        settings = self.context.settings
        cache = Cache(settings.cache, "gate", TypeAdapter(Compared))
        key = self._key(
            write_costs(costs),
            str(objective),
            settings.effort,
            str(tolerance),
            str(self._offered(objective)),
            *(f"{each.ids}\n{each.schedule}" for each in proposals),
        )
        kept = cache.load(key)
        if kept is not None:
            return kept
        built, dropped = self.built(proposals)
        close = built if tolerance is None else within(built, tolerance)
        gate = Gate(
            settings.clock,
            settings.cpu_clock,
            settings.progress,
            objective,
            GATE_ROUNDS[settings.effort],
        )
        feeds = self.program.feeds
        alone = Alone(gate, self._offered(objective), self._configured)
        found = alone(close, feeds)
        compared = Compared.of(found.contenders, found.built, (*dropped, *found.dropped))
        cache.store(key, compared)
        return compared

    def _offered(self, objective: Objective) -> Mapping[str, Sequence[str]]:
        """Other configurations of each device, where there is time to try them and time counts."""
        if self.context.settings.effort == "quick" or not objective.per_s:
            return {}
        engines = self.context.backends.items()
        return {name: backends.configurations(engine) for name, engine in engines}

    def _configured(self, proposal: Proposal, staged: StagedSchedule) -> Built:
        """A proposal of one stage, built on its device in the configuration that it names."""
        engines = backends.create_all([self._specs(proposal.id)[proposal.id.device]])
        outputs = [value.name for value in self.graph.outputs]
        prepare = partial(self.build, engines=engines)
        build = Build(lambda _: staged, prepare, lambda: self.reference, silent)
        [built], _ = build([proposal], self.program.feeds, outputs)
        return built

    def _specs(self, chosen: ContenderId) -> Mapping[str, str]:
        """The devices' specs as a contender has them."""
        specs = self.context.specs
        if not chosen.configuration:
            return specs
        spec = backends.configured(specs[chosen.device], chosen.configuration)
        return {**specs, chosen.device: spec}

    def built(self, proposals: Sequence[Proposal]) -> tuple[tuple[Built, ...], tuple[str, ...]]:
        """Every contender prepared and run once, its outputs compared with the reference; and a
        sentence about each that an engine failed to build or to run."""
        outputs = [value.name for value in self.graph.outputs]
        progress = self.context.settings.progress
        build = Build(self.staged, self.build, lambda: self.reference, progress)
        return build(proposals, self.program.feeds, outputs)

    @cached_property
    def reference(self) -> Mapping[str, Tensor]:
        """The outputs of the whole model in one session of one thread; raises EngineError."""
        whole = self._whole
        everything = tuple(node.name for node in self.graph.nodes)
        schedule = Schedule((Stage(REFERENCE, everything),), (Run(0),))
        staged = StagedSchedule(schedule, (whole,), (None,))
        outputs = [value.name for value in whole.outputs]
        engines = backends.create_all([REFERENCE])
        return self.build(staged, outputs, engines).run(self.program.feeds)[0]

    @cached_property
    def _whole(self) -> StageProgram:
        graph = graph_of(self.program)  # before operators were merged, which depends on the devices
        return self.extract("model", graph.nodes, graph.outputs)

    @cached_property
    def model_sha256(self) -> str:
        return digest(model_bytes(self._whole.model), self.weights.sha256)

    def provenance(self, options: Mapping[str, str], chosen: ContenderId) -> Provenance:
        """`chosen` is the contender that ships, in the configuration that it names."""
        return Provenance(
            stagecut=versions()["stagecut"],
            model=self.program.name,
            model_sha256=self.model_sha256,
            cpu=cpu_model(),
            threads=usable_cpus(),
            versions=versions(),
            devices=self._specs(chosen),
            options=options,
        )

    @cached_property
    def _circumstances(self) -> str:
        """Model, inputs, machine and software: what every measurement depends on."""
        feeds = [
            part
            for name, array in self.program.feeds.items()
            for part in (name, str(array.dtype), str(array.shape), repr(array.tolist()))
        ]
        machine = (cpu_model(), str(usable_cpus()), repr(versions()), repr(self.context.specs))
        return digest(self.model_sha256, *machine, *feeds)

    def _key(self, *parts: str) -> str:
        return digest(self._circumstances, *parts)


def _answer(estimate: Callable[[], Estimate | None]) -> str:
    """What a device's model says, even if it is that it has no answer."""
    try:
        return repr(estimate())
    except EngineError as error:
        return str(error)
