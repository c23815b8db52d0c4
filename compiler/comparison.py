"""Plans against each other: held against what is right, and timed in turns, or as it was in an
earlier compile.

proposals -> without what crashed -> checked -> in turns -> the best, if right at other shapes
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from stagecut import backends
from stagecut.compiler.answers import Answers
from stagecut.compiler.circumstances import quietest, tell_age
from stagecut.compiler.compared import Compared
from stagecut.compiler.effort import GATE_ROUNDS
from stagecut.compiler.formats.costs_json import write_costs
from stagecut.compiler.identity import specs_of
from stagecut.compiler.ir.contender import ContenderId
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.device import Backend, RunnerFactory, StagedSchedule
from stagecut.compiler.ir.errors import WrongAnswerError
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.measure.cache import Cache
from stagecut.compiler.measurements import Measurements
from stagecut.passes.gate.alone import Alone
from stagecut.passes.gate.build import Built, Checked, right
from stagecut.passes.gate.contenders import Proposal
from stagecut.passes.gate.gate import Gate, disputed
from stagecut.passes.profile.profile import Fault

#: By the name that users know it by.
_GATE = "gate"

#: Whether nodes can run elsewhere than where they are wrong.
Spare = Callable[[Sequence[Fault]], bool]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Of plans of one program, by measurement."""

    measurements: Measurements
    objective: Objective
    tolerance: float | None

    def __call__(
        self, proposals: Sequence[Proposal], costs: CostTable, spare: Spare | None = None
    ) -> Compared:
        """The contenders, from the cache when the same ones were compared.

        Those with a stage that is known to crash are left out, and those whose outputs are further
        off than the tolerance, or than their devices' formats explain. Where that is the fault of
        single nodes that `spare` says can run elsewhere, only these faults come back.

        Raises WrongAnswerError or ToleranceError where that leaves none.
        """
        crashed = {(crash.device, crash.nodes) for crash in self.measurements.context.crashes}
        dropped = [
            proposal
            for proposal in proposals
            if crashed & {(part.device, part.nodes) for part in proposal.schedule.stages}
        ]
        left = [proposal for proposal in proposals if proposal not in dropped]
        compared = self._kept(left or proposals, costs, spare)
        told = (f"plan {each.name} is left out: it crashed the process" for each in dropped)
        return replace(compared, dropped=(*told, *compared.dropped))

    def _kept(
        self, proposals: Sequence[Proposal], costs: CostTable, spare: Spare | None
    ) -> Compared:
        settings = self.measurements.context.settings
        folder = self.measurements.kept_in
        entries = Cache(folder, _GATE, Compared, settings.warn)
        key = self.measurements.identity.key(
            write_costs(costs),
            str(self.objective),
            settings.effort,
            str(self.tolerance),
            str(self._offered),
            str(spare is not None),
            str(self.measurements.opened is not None),
            *(f"{each.ids}\n{each.schedule}" for each in proposals),
        )
        kept = entries.load(key)
        if kept is not None:
            tell_age(kept.circumstances, settings)
            return kept
        compared = self._raced(proposals, spare)
        if not compared.faults:
            compared = self.measurements.right_elsewhere.shipping(
                compared, proposals, self.objective, self.tolerance
            )
        if compared.circumstances is None or not compared.circumstances.noise:
            entries.store(key, compared)
        return compared

    def _raced(self, proposals: Sequence[Proposal], spare: Spare | None) -> Compared:
        """At the shapes of the samples; no engine is left of it when it is over."""
        checked = self._answers.checked(proposals, self.tolerance)
        coarse = [each for each in checked.wrong if self._answers.is_coarse(each, self.tolerance)]
        wrong = [each for each in checked.wrong if each not in coarse]
        faults = self._answers.culprits(wrong, self.tolerance)
        if faults and spare is not None and spare(faults):
            return Compared((), (), faults=faults)
        compared = self._gated(right(checked, self.tolerance))
        off = tuple((each.proposal.id, each.held) for each in coarse if each.held is not None)
        return replace(compared, coarse=off)

    def _gated(self, checked: Checked) -> Compared:
        settings = self.measurements.context.settings
        gate = Gate(
            settings.clock,
            settings.cpu_clock,
            settings.progress,
            self.objective,
            GATE_ROUNDS[settings.effort],
        )
        ready: dict[ContenderId, Built] = {}  # also for when it is measured once more

        def configured_once(proposal: Proposal, staged: StagedSchedule) -> Built:
            if proposal.id not in ready:
                ready[proposal.id] = self._configured(proposal, staged)
            return ready[proposal.id]

        alone = Alone(gate, self._offered, configured_once)
        found, known = quietest(
            _GATE,
            settings,
            lambda: alone(checked.built, self.measurements.program.feeds),
            lambda found: disputed(found.contenders),
        )
        dropped = (*checked.dropped, *found.dropped)
        compared = Compared.of(self._answers, found.contenders, found.built, dropped)
        return replace(compared, circumstances=known)

    @property
    def _answers(self) -> Answers:
        return self.measurements.answers

    @property
    def _offered(self) -> Mapping[str, Sequence[str]]:
        """Other configurations of each device, where there is time to try them and time counts."""
        context = self.measurements.context
        if context.settings.effort == "quick" or not self.objective.per_s:
            return {}
        engines = context.backends.items()
        return {name: backends.configurations(engine) for name, engine in engines}

    def _configured(self, proposal: Proposal, staged: StagedSchedule) -> Built:
        engines = engines_of(self.measurements, proposal)
        return configured(self.measurements, self.tolerance, proposal, staged, engines)


def engines_of(measurements: Measurements, proposal: Proposal) -> Mapping[str, Backend]:
    """Those of a proposal of one stage, in the configuration that it names."""
    id_ = proposal.id
    return backends.create_all([specs_of(measurements.context, id_)[id_.device]])


def configured(
    measurements: Measurements,
    tolerance: float | None,
    proposal: Proposal,
    staged: StagedSchedule,
    engines: Mapping[str, Backend],
) -> Built:
    """A proposal that is `staged` already, built on such engines, as `held_right` has it."""
    prepare = partial(measurements.answers.build, engines=engines)
    return held_right(measurements, tolerance, proposal, staged, prepare)


def held_right(
    measurements: Measurements,
    tolerance: float | None,
    proposal: Proposal,
    staged: StagedSchedule,
    prepare: RunnerFactory,
) -> Built:
    """A proposal that is `staged` already, prepared so, and checked as every contender is. Raises
    EngineError, WrongAnswerError where its outputs are not right."""
    answers = measurements.answers
    limit = answers.limit(tolerance, proposal) or answers.usual_limit
    checked = answers.checked_as(proposal, staged, limit, prepare)
    for wrong in checked.wrong:
        raise WrongAnswerError(f"on {wrong.inputs.name}, {wrong.flaw.problem}")
    [built] = checked.built
    return built
