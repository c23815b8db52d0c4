"""What is measured of one program, and kept from one compile to the next."""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import onnx_ir as ir
from pydantic import TypeAdapter

from stagecut import backends
from stagecut.compiler.answers import Answers
from stagecut.compiler.circumstances import age, quietest
from stagecut.compiler.compared import Compared, KeptAccuracy
from stagecut.compiler.context import CompileContext
from stagecut.compiler.effort import GATE_ROUNDS, PROFILE_ROUNDS
from stagecut.compiler.formats.costs_json import read_costs, write_costs
from stagecut.compiler.formats.weights import WeightFile, model_bytes
from stagecut.compiler.frontends.feeds import other_samples
from stagecut.compiler.frontends.normal_form.normalise import declared
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.device import (
    Estimate,
    StagedSchedule,
    silent,
)
from stagecut.compiler.ir.errors import EngineError, MetricError, StageFault, WrongAnswerError
from stagecut.compiler.ir.graph import Graph
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.plan import (
    Circumstances,
    Contender,
    ContenderId,
    ProfilePath,
    Provenance,
)
from stagecut.compiler.ir.program import Program
from stagecut.compiler.measure.cache import Cache, digest
from stagecut.compiler.measure.cpus import usable_cpus
from stagecut.compiler.measure.environment import cpu_model, versions
from stagecut.compiler.original import Original
from stagecut.compiler.other_shapes import OtherShapes
from stagecut.passes.gate.alone import Alone
from stagecut.passes.gate.build import Build, Built, Checked, Wrong, held_out_set, right
from stagecut.passes.gate.contenders import Proposal, proposal_of
from stagecut.passes.gate.gate import Gate, choose, disputed
from stagecut.passes.precision.errors import NodeErrors
from stagecut.passes.precision.held_out import HeldOut
from stagecut.passes.profile.kinds import kinds_of
from stagecut.passes.profile.profile import Fault, OneOfEach, Profile, Profiled
from stagecut.passes.profile.reuse import measured_question, with_modelled
from stagecut.passes.profile.unrest import unrest
from stagecut.passes.stage.extract import Extractor

#: What is measured, by the name that users know it by.
_PROFILE, _GATE, _SAMPLES = "profile", "gate", "samples"

#: What real devices were measured to take, whatever is modelled beside them.
_MEASURED = "measured"

#: What single nodes do to outputs in lower precision, and whole plans.
_ERRORS, _OFF_BY = "errors", "off-by"


@dataclass(frozen=True, slots=True)
class KeptProfile:
    """A profile as the cache holds it; the table in its file format."""

    costs: str
    paths: tuple[ProfilePath, ...]
    faults: tuple[Fault, ...]
    circumstances: Circumstances | None

    @classmethod
    def of(cls, profiled: Profiled) -> "KeptProfile":
        costs = write_costs(profiled.costs)
        return cls(costs, profiled.paths, profiled.faults, profiled.circumstances)

    @property
    def profiled(self) -> Profiled:
        return Profiled(read_costs(self.costs), self.paths, self.faults, self.circumstances)


@dataclass(frozen=True, slots=True)
class KeptErrors:
    """Of nodes, on so many `samples`; so many others are `held_out` for plans. `own` is the
    relative rms error of the model itself on the latter, where it is held against an original."""

    found: NodeErrors
    samples: int
    held_out: int
    own: float = 0.0


@dataclass(frozen=True, slots=True)
class KeptCheck:
    """One plan on held-out samples, and how large its flaw is, 0 where it has none."""

    held: HeldOut | None
    flaw: float = 0.0


@dataclass(frozen=True)
class Measurements:
    """One program at one shape: its graph, and its weights on disk, which must outlive this.

    `opened` is the whole model where it has open dimensions, with its weights on disk, too.
    `original` is the one in full precision that it was made from, which says what is right.
    """

    context: CompileContext
    program: Program
    graph: Graph
    weights: WeightFile
    opened: ir.Model | None = None
    original: Original | None = None

    @cached_property
    def answers(self) -> Answers:
        extract = Extractor(self.program, self.weights)
        return Answers(self.context, self.program, self.graph, extract, self.original)

    def on_samples_that_run(self) -> "Measurements":
        """The same on other samples, where the reference does not run on those that were made up,
        and does on others; which ones is kept in the cache."""
        program, settings = self.program, self.context.settings
        if not program.made_up or program.measured:  # what was measured is of these samples
            return self
        tried = [program.feeds, *other_samples(program.feeds, program.made_up)]
        entries = Cache(settings.cache, _SAMPLES, TypeAdapter(int), settings.warn)
        key = self._key(_SAMPLES)
        number = entries.load(key)
        if number is None:
            runs = (at for at, feeds in enumerate(tried) if self.answers.runs_on(feeds))
            number = next(runs, 0)
            entries.store(key, number)
        if not 0 < number < len(tried):
            return self
        return replace(self, program=replace(program, feeds=tried[number]))

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
        entries = Cache(settings.cache, _PROFILE, TypeAdapter(KeptProfile), settings.warn)
        key = self._key(str(expanded), settings.effort, *self._modelled(expanded))
        kept = entries.load(key)
        if kept is not None:
            if kept.circumstances is not None:
                self._tell_age(kept.circumstances)
            return kept.profiled
        reused = self._reused(expanded)
        if reused is not None:
            return reused
        rounds = PROFILE_ROUNDS[settings.effort]
        profile = Profile(
            self.context.backends,
            self.answers.build,
            settings.clock,
            settings.progress,
            rounds,
            OneOfEach(kinds_of(self.program), self.answers.values, self.weights.read),
        )
        found, known = quietest(
            _PROFILE,
            settings,
            lambda: profile(expanded, self.answers.extract, self.program.feeds),
            lambda found: unrest(found.costs),
        )
        profiled = replace(found, circumstances=known)
        if not known.noise:
            entries.store(key, KeptProfile.of(profiled))
            real = KeptProfile.of(_of_real(profiled))
            self._measured.store(self._measured_key(expanded), real)
        return profiled

    @property
    def _measured(self) -> Cache[KeptProfile]:
        settings = self.context.settings
        return Cache(settings.cache, _MEASURED, TypeAdapter(KeptProfile), settings.warn)

    def _measured_key(self, expanded: ExpandedGraph) -> str:
        """As that of a profile, without what is modelled."""
        real = {
            device.name: self.context.specs[device.name]
            for device in expanded.machine.devices
            if device.basis == "measured"
        }
        effort = self.context.settings.effort
        return digest(self._known(real), measured_question(expanded), effort)

    def _reused(self, expanded: ExpandedGraph) -> Profiled | None:
        """The profile by what real devices were measured to take beside other modelled ones, where
        that is kept."""
        kept = self._measured.load(self._measured_key(expanded))
        if kept is None or not kept.paths:
            return None
        faults = tuple(
            fault
            for fault in kept.faults
            if fault.device in expanded.candidates.get(fault.node, ())
        )
        costs = with_modelled(read_costs(kept.costs), faults, expanded, self.context.backends)
        if costs is None:
            return None
        if kept.circumstances is not None:
            self._tell_age(kept.circumstances)
        return Profiled(costs, kept.paths, faults, kept.circumstances)

    def _tell_age(self, known: Circumstances) -> None:
        since_s = self.context.settings.now() - known.measured_at_s
        self.context.settings.warn(
            f"the {known.what} is from the cache, measured {age(since_s)} ago"
        )

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
        spare: Callable[[Sequence[Fault]], bool] | None = None,
    ) -> Compared:
        """The contenders by measurement, from the cache when the same ones were compared.

        Those with a stage that is known to crash are left out, and those whose outputs are further
        off than `tolerance`, or than their devices' formats explain. Where that is the fault of
        single nodes that `spare` says can run elsewhere, only these faults come back.

        Raises WrongAnswerError or ToleranceError where that leaves none.
        """
        crashed = {(crash.device, crash.nodes) for crash in self.context.crashes}
        dropped = [
            proposal
            for proposal in proposals
            if crashed & {(part.device, part.nodes) for part in proposal.schedule.stages}
        ]
        left = [proposal for proposal in proposals if proposal not in dropped]
        compared = self._compare(left or proposals, costs, objective, tolerance, spare)
        told = (f"plan {each.name} is left out: it crashed the process" for each in dropped)
        return replace(compared, dropped=(*told, *compared.dropped))

    def _compare(
        self,
        proposals: Sequence[Proposal],
        costs: CostTable,
        objective: Objective,
        tolerance: float | None,
        spare: Callable[[Sequence[Fault]], bool] | None,
    ) -> Compared:
        settings = self.context.settings
        entries = Cache(self._kept_in, _GATE, TypeAdapter(Compared), settings.warn)
        key = self._key(
            write_costs(costs),
            str(objective),
            settings.effort,
            str(tolerance),
            str(self._offered(objective)),
            str(spare is not None),
            str(self.opened is not None),
            *(f"{each.ids}\n{each.schedule}" for each in proposals),
        )
        kept = entries.load(key)
        if kept is not None:
            if kept.circumstances is not None:
                self._tell_age(kept.circumstances)
            return kept
        compared = self._raced(proposals, objective, tolerance, spare)
        if not compared.faults:
            compared = self.at_other_shapes(compared, proposals, objective, tolerance)
        if compared.circumstances is None or not compared.circumstances.noise:
            entries.store(key, compared)
        return compared

    def _raced(
        self,
        proposals: Sequence[Proposal],
        objective: Objective,
        tolerance: float | None,
        spare: Callable[[Sequence[Fault]], bool] | None,
    ) -> Compared:
        """At the shapes of the samples; no engine is left of it when it is over."""
        checked = self.answers.checked(proposals, tolerance)
        coarse = [each for each in checked.wrong if self._is_coarse(each, tolerance)]
        wrong = [each for each in checked.wrong if each not in coarse]
        faults = self.answers.culprits(wrong, tolerance)
        if faults and spare is not None and spare(faults):
            return Compared((), (), faults=faults)
        named = "" if self.program.metric is None else self.program.metric.name
        compared = self._gated(right(checked, tolerance, named), objective, tolerance)
        off = tuple((each.proposal.id, each.held) for each in coarse if each.held is not None)
        return replace(compared, coarse=off)

    def _is_coarse(self, wrong: Wrong, tolerance: float | None) -> bool:
        """Whether it may just be the precision of its devices, of which no node is to blame."""
        limit = self.answers.limit(tolerance, wrong.proposal)
        lower = limit is not None and limit.asked and limit.lower
        return lower and math.isfinite(wrong.flaw.relative)

    def off_by(self, proposal: Proposal, tolerance: float) -> float | None:
        """How far off its outputs are: the relative rms error on held-out samples, or what the
        user's metric loses there, or what is too far off elsewhere; None where nothing can be said.
        From the cache when it is there."""
        found = self._seen(proposal, tolerance)
        off = max(found.flaw, 0.0 if found.held is None else self._off(found.held))
        known = found.held is not None or bool(found.flaw)
        return off if known and math.isfinite(off) else None

    def held_out(self, proposal: Proposal, tolerance: float) -> HeldOut | None:
        """What a proposal is found to be on held-out samples, whether it may ship or not; None
        where nothing can be said. From the cache when it is there."""
        return self._seen(proposal, tolerance).held

    def _seen(self, proposal: Proposal, tolerance: float) -> KeptCheck:
        settings = self.context.settings
        entries = Cache(self._kept_in, _OFF_BY, TypeAdapter(KeptCheck), settings.warn)
        key = self._key(str(proposal.schedule), f"{tolerance!r}")
        kept = entries.load(key)
        if kept is not None:
            return kept
        try:
            checked = self.answers.checked([proposal], tolerance)
        except StageFault:  # whoever compares it will meet it again, and say so
            return KeptCheck(None)
        found = KeptCheck(None)
        for built in checked.built:
            found = KeptCheck(built.held)
        for wrong in checked.wrong:
            found = KeptCheck(wrong.held, wrong.flaw.relative)
        if math.isfinite(found.flaw):
            entries.store(key, found)
        return found

    def check_metric(self) -> None:
        """Raises MetricError where the user's own says nothing of what is right: before anything is
        measured."""
        if self.right_by_metric is None and self.program.metric is not None:
            raise MetricError(
                "the model does not run on its samples",
                where=f"metric {self.program.metric.name}",
                fix="give others with --data",
            )

    @cached_property
    def right_by_metric(self) -> float | None:
        """What the user's own metric says of full precision; None without one, or where the
        reference does not run on its samples. Raises MetricError."""
        metric, reference = self.program.metric, self.answers.reference
        if metric is None:
            return None
        sets = (held_out_set(at, feeds) for at, feeds in enumerate(metric.samples))
        known = [reference.known(each) for each in sets]
        right = [each for each in known if not isinstance(each, str)]
        return metric(right) if len(right) == len(known) else None

    def _off(self, held: HeldOut) -> float:
        """In the terms of the tolerance; what a metric gains is no loss."""
        return held.rms if self.program.metric is None else max(0.0, held.loss)

    @property
    def _kept_in(self) -> Path | None:
        """The folder for what the user's own metric says something about: nobody knows when that
        has changed."""
        return self.context.settings.cache if self.program.metric is None else None

    def errors(self, devices: Mapping[str, Mapping[str, str]]) -> KeptErrors | None:
        """As `Answers.errors`, from the cache when they are there; None where the reference cannot
        say what is right."""
        settings = self.context.settings
        entries = Cache(settings.cache, _ERRORS, TypeAdapter(KeptErrors), settings.warn)
        key = self._key(repr(devices))
        kept = entries.load(key)
        if kept is not None or self.answers.reference.problem:
            return kept
        split = self.answers.split
        found = self.answers.errors(devices)
        own = self.answers.own_error()
        measured = KeptErrors(found, len(split.measured), len(split.held_out), own)
        entries.store(key, measured)
        return measured

    def _gated(self, checked: Checked, objective: Objective, tolerance: float | None) -> Compared:
        settings = self.context.settings
        gate = Gate(
            settings.clock,
            settings.cpu_clock,
            settings.progress,
            objective,
            GATE_ROUNDS[settings.effort],
        )
        configured = partial(self._configured, tolerance)
        alone = Alone(gate, self._offered(objective), configured)
        found, known = quietest(
            _GATE,
            settings,
            lambda: alone(checked.built, self.program.feeds),
            lambda found: disputed(found.contenders),
        )
        dropped = (*checked.dropped, *found.dropped)
        return replace(self.compared(found.contenders, found.built, dropped), circumstances=known)

    def at_other_shapes(
        self,
        compared: Compared,
        proposals: Sequence[Proposal],
        objective: Objective,
        tolerance: float | None,
    ) -> Compared:
        """The same with a plan that ships only if it is right at other shapes, too, where the model
        admits any; raises WrongAnswerError where none is."""
        left = list(compared.contenders)
        while True:
            proposal = proposal_of(proposals, compared.chosen.id)
            found = self.elsewhere(proposal, tolerance)
            if not isinstance(found, Wrong):
                return replace(compared, elsewhere=found)
            left = [each for each in left if proposal_of(proposals, each.id) is not proposal]
            if not left:
                raise found.error
            dropped = (*compared.dropped, str(found))
            compared = replace(compared, contenders=choose(left, objective), dropped=dropped)

    def elsewhere(self, proposal: Proposal, tolerance: float | None) -> Wrong | tuple[str, ...]:
        """What is wrong with it at other shapes, or the inputs on which it is right there."""
        if self._other_shapes is None:
            return ()
        return self._other_shapes(proposal, self.answers.limit(tolerance, proposal))

    @cached_property
    def _other_shapes(self) -> OtherShapes | None:
        """None where the model admits only one."""
        if self.opened is None:
            return None
        return OtherShapes(self.answers, self.opened, declared(self.opened, self.program))

    def compared(
        self, contenders: tuple[Contender, ...], built: Sequence[Built], dropped: Sequence[str]
    ) -> Compared:
        """What is kept of contenders, and said where nothing can be said of outputs."""
        accuracy = tuple(
            KeptAccuracy(each.proposal.id, each.accuracy, each.inputs, each.worst, each.held)
            for each in built
        )
        problem = self.answers.reference.problem
        told = [f"outputs are not checked: the reference cannot run: {problem}"] if problem else []
        if problem and self.program.made_up:
            told.append(
                f"the inputs were made up ({', '.join(self.program.made_up)}): give samples"
            )
        return Compared(contenders, accuracy, (*dropped, *told))

    def _offered(self, objective: Objective) -> Mapping[str, Sequence[str]]:
        """Other configurations of each device, where there is time to try them and time counts."""
        if self.context.settings.effort == "quick" or not objective.per_s:
            return {}
        engines = self.context.backends.items()
        return {name: backends.configurations(engine) for name, engine in engines}

    def _configured(
        self, tolerance: float | None, proposal: Proposal, staged: StagedSchedule
    ) -> Built:
        """A proposal of one stage, built on its device in the configuration that it names."""
        engines = backends.create_all([self._specs(proposal.id)[proposal.id.device]])
        build = Build(
            lambda _: staged,
            partial(self.answers.build, engines=engines),
            self.answers.reference,
            partial(self.answers.limit, tolerance),
            silent,
        )
        checked = build([proposal], self.program.feeds, self.answers.outputs)
        for wrong in checked.wrong:
            raise WrongAnswerError(f"on {wrong.inputs.name}, {wrong.flaw.problem}")
        [built] = checked.built
        return built

    def _specs(self, chosen: ContenderId) -> Mapping[str, str]:
        """The devices' specs as a contender has them."""
        specs = self.context.specs
        if not chosen.configuration:
            return specs
        spec = backends.configured(specs[chosen.device], chosen.configuration)
        return {**specs, chosen.device: spec}

    @cached_property
    def model_sha256(self) -> str:
        return digest(model_bytes(self.answers.whole.model), self.weights.sha256)

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
        """Model, inputs, machine, devices and software: what every measurement depends on."""
        return self._known(self.context.specs)

    def _known(self, specs: Mapping[str, str]) -> str:
        feeds = [
            part
            for name, array in self.program.feeds.items()
            for part in (name, str(array.dtype), str(array.shape), repr(array.tolist()))
        ]
        cpus = f"{usable_cpus()} of {sorted(os.sched_getaffinity(0))}"  # they need not be alike
        machine = (cpu_model(), cpus, repr(versions()), repr(specs))
        further = (array.tobytes() for sample in self.program.samples for array in sample.values())
        right = []
        if self.original is not None:
            right.append(self.original.at(self.program.feeds, self.answers.outputs).sha256)
        return digest(self.model_sha256, *right, *machine, *feeds, *further)

    def _key(self, *parts: str) -> str:
        return digest(self._circumstances, *parts)


def _of_real(profiled: Profiled) -> Profiled:
    """Without the faults of modelled devices, and what paths ran there: another time, others may
    have their names."""
    devices = profiled.costs.machine.devices
    real = {device.name for device in devices if device.basis == "measured"}
    faults = tuple(fault for fault in profiled.faults if fault.device in real)
    paths = (
        replace(path, devices={name: path.devices[name] for name in path.devices if name in real})
        for path in profiled.paths
    )
    return replace(profiled, faults=faults, paths=tuple(path for path in paths if path.devices))


def _answer(estimate: Callable[[], Estimate | None]) -> str:
    """What a device's model says, even if it is that it has no answer."""
    try:
        return repr(estimate())
    except EngineError as error:
        return str(error)
