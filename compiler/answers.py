"""What plans answer, and what is right: the reference, and contenders held against it."""

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial

from stagecut import backends
from stagecut.compiler.context import CompileContext
from stagecut.compiler.effort import ERROR_RUNS
from stagecut.compiler.formats.node_ranges import Range, range_of
from stagecut.compiler.formats.weights import model_bytes
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.device import (
    Backend,
    Feeds,
    RunnerFactory,
    StagedSchedule,
    StageProgram,
    Tensor,
    silent,
)
from stagecut.compiler.ir.errors import EngineError, MetricError
from stagecut.compiler.ir.graph import Graph, Value
from stagecut.compiler.ir.machine import Device
from stagecut.compiler.ir.program import Program
from stagecut.compiler.ir.residents import NO_RESIDENTS, Residents
from stagecut.compiler.ir.schedule import Run, Schedule, Stage
from stagecut.compiler.measure.crash_journal import REFERENCE
from stagecut.compiler.original import Original
from stagecut.compiler.right import OtherProgram, Right
from stagecut.passes.gate.accuracy import Limit
from stagecut.passes.gate.build import Build, Checked, Wrong, held_out_set
from stagecut.passes.gate.contenders import Proposal
from stagecut.passes.gate.culprits import Culprits
from stagecut.passes.gate.further_inputs import InputSet
from stagecut.passes.gate.limits import limit_of
from stagecut.passes.gate.reference import Reference
from stagecut.passes.precision.errors import TOGETHER, MeasureErrors, NodeErrors
from stagecut.passes.precision.rms import rms
from stagecut.passes.precision.samples import MOST_SAMPLES, Split, split
from stagecut.passes.profile.profile import Fault
from stagecut.passes.stage.extract import Extractor
from stagecut.passes.stage.one_node import OneNode
from stagecut.passes.stage.stage import stage
from stagecut.runtime.executor import Executor

#: Operators by which a model asks whether numbers are any.
_MIND_NAN = frozenset({"IsNaN", "IsInf"})

#: What stands in for the reference where figures do not depend on how many threads it has.
_ON_ALL_CPUS = "cpu.parallel"

_NARROW = re.compile(r"float(16|8|6|4)")


@dataclass(frozen=True)
class Answers:
    """Of one program at one shape, whose stages `extract` extracts. `residents` are the states that
    stay where they are read. What is right is what the program itself answers on the reference
    engine, or what `right` does."""

    context: CompileContext
    program: Program
    graph: Graph
    extract: Extractor
    residents: Residents = NO_RESIDENTS
    right: Right | None = None

    def build(
        self,
        staged: StagedSchedule,
        outputs: Sequence[str],
        engines: Mapping[str, Backend] | None = None,
    ) -> Executor:
        """A RunnerFactory: prepares a schedule's stages on the engines, by default the compile's
        own. What is the reference, stage and all, is prepared once."""
        if engines is None and self._is_reference(staged):
            return self._reference_runner()
        return _executor(self.context, staged, outputs, engines or self.context.backends)

    def staged(self, proposal: Proposal, prefix: str = "stage") -> StagedSchedule:
        """The proposal with its programs, whose names begin with `prefix`."""
        schedule, account = proposal.schedule, proposal.account
        memory_of = {name: each.memory.name for name, each in self.context.backends.items()}
        homes = self.residents.homes(self.graph, schedule, memory_of)
        return stage(self.graph, schedule, account, self.extract, prefix, homes)

    def stored(self, staged: StagedSchedule) -> tuple[StageProgram, ...]:
        """The programs of a schedule as a plan stores them: weights in few bits where their
        devices hold them so."""
        pairs = zip(staged.schedule.stages, staged.programs, strict=True)
        engines = self.context.backends
        return tuple(backends.stored(engines[stage.device], each) for stage, each in pairs)

    def checked(self, proposals: Sequence[Proposal], tolerance: float | None) -> Checked:
        """Every contender prepared and run, its outputs compared with the reference's."""
        limit, progress = partial(self.limit, tolerance), self.context.settings.progress
        build = self._check(limit, asked=tolerance is not None)
        return replace(build, progress=progress)(proposals, self.program.feeds, self.outputs)

    def checked_as(
        self,
        proposal: Proposal,
        staged: StagedSchedule,
        limit: Limit,
        prepare: RunnerFactory | None = None,
    ) -> Checked:
        """The same of one that is `staged` already, within a limit; on the compile's own engines,
        unless it is to be prepared otherwise."""
        build = self._check(lambda _: limit, asked=limit.asked)
        build = replace(build, stage=lambda _: staged, prepare=prepare or self.build)
        return build([proposal], self.program.feeds, self.outputs)

    def _check(self, limit: Callable[[Proposal], Limit | None], *, asked: bool) -> Build:
        """`asked` says whether a limit may have been asked for, which is of held-out samples."""
        return Build(
            self.staged,
            self.build,
            self.reference,
            limit,
            silent,
            self.split.held_out if asked else (),
            self.program.metric,
        )

    @cached_property
    def split(self) -> Split:
        """The samples for the errors of nodes, and those for the errors of plans, on which the
        reference runs."""
        found = split(self.program.feeds, self.program.samples)
        metric = self.program.metric
        if metric is not None:  # which is of all of its samples
            return Split(self.program.samples[:MOST_SAMPLES] or found.measured, metric.samples)
        return Split(
            *(tuple(filter(self.runs_on, part)) for part in (found.measured, found.held_out))
        )

    def errors(self, devices: Mapping[str, Mapping[str, str]]) -> NodeErrors:
        """`devices`: by node, a device for each precision in which it may run. Raises EngineError
        where the reference cannot run."""
        engines = {**self.reference_engines, **self.context.backends}
        measure = MeasureErrors(
            self.graph,
            self.extract,
            OneNode(self.extract, engines),
            partial(self.build, engines=engines),
            self._values,
            partial(self._runs, engines={REFERENCE: backends.create(_ON_ALL_CPUS)}),
            self.context.settings.progress,
            ERROR_RUNS[self.context.settings.effort],
            together=1 if self.context.crashes else TOGETHER,  # so that it is known who crashes
        )
        return measure(devices, self.split.measured)

    def ranges(self, names: Collection[str]) -> Mapping[str, Range]:
        """Of the values of these names, on the samples for the errors of nodes and on what every
        plan has to be right on beside; none for those that are not finite there. Raises EngineError
        where the reference cannot run."""
        found: dict[str, Range | None] = {}
        operators = graph_of(self.program).nodes
        written = [value for each in operators for value in each.outputs if value.name in names]
        run = self._runs(self.extract("ranges", operators, written))
        sets = (each.feeds for each in self.reference.sets if not each.stretched)
        for sample in (*self.split.measured, *sets):
            values = {**sample, **(run(sample) if written else {})}
            for name in values.keys() & {*names}:
                mine, known = range_of(values[name]), found.get(name)
                widest = mine if known is None or mine is None else known | mine
                found[name] = widest if name not in found or known is not None else None
        return {name: each for name, each in sorted(found.items()) if each is not None}

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
        metric = self.program.metric
        if metric is None:
            return None
        sets = (held_out_set(at, feeds) for at, feeds in enumerate(metric.samples))
        known = [self.reference.known(each) for each in sets]
        right = [each for each in known if not isinstance(each, str)]
        return metric(right) if len(right) == len(known) else None

    def culprits(self, wrong: Sequence[Wrong], tolerance: float | None) -> tuple[Fault, ...]:
        """The nodes that are to blame for wrong outputs."""
        if not wrong:
            return ()
        engines = {**self.reference_engines, **self.context.backends}
        find = Culprits(
            self.graph,
            self.extract,
            engines,
            partial(self.build, engines=engines),
            self._values,
            REFERENCE,
            lambda device: self._limit_of([engines[device].device], tolerance),
            self.context.settings.clock,
        )
        return find(wrong)

    def is_coarse(self, wrong: Wrong, tolerance: float | None) -> bool:
        """Whether it may just be the precision of its devices, of which no node is to blame."""
        limit = self.limit(tolerance, wrong.proposal)
        lower = limit is not None and limit.asked and limit.lower
        return lower and math.isfinite(wrong.flaw.relative)

    def limit(self, tolerance: float | None, proposal: Proposal) -> Limit | None:
        names = dict.fromkeys(stage.device for stage in proposal.schedule.stages)
        if [*names] == [REFERENCE] and tolerance is None:
            return None
        devices = (self.context.backends[name].device for name in names)
        return self._limit_of(devices, tolerance, quantised=self.original is not None)

    @property
    def usual_limit(self) -> Limit:
        """How far off the reference may be from itself, when it is asked in another way."""
        devices = (engine.device for engine in self.reference_engines.values())
        return self._limit_of(devices, None)

    def _limit_of(
        self, devices: Iterable[Device], tolerance: float | None, *, quantised: bool = False
    ) -> Limit:
        """`quantised` where the outputs are held against those of the original."""
        metric = self.program.metric is not None
        return limit_of(
            devices, tolerance, narrow=self._is_narrow, quantised=quantised, metric=metric
        )

    @cached_property
    def _is_narrow(self) -> bool:
        """Whether some of the model's own floats have 16 bits or fewer."""
        operators = (operator for node in self.graph.nodes for operator in node.operators)
        values = (value for each in operators for value in (*each.reads, *each.writes))
        return any(_NARROW.search(value.dtype) for value in values)

    @property
    def outputs(self) -> Sequence[str]:
        return [value.name for value in self.graph.outputs]

    @property
    def original(self) -> Original | None:
        """None where the whole model was made from no other one."""
        return self.right if isinstance(self.right, Original) else None

    @cached_property
    def reference(self) -> Reference:
        """What the whole model answers in one session of one thread, or what it was made from."""
        if isinstance(self.right, OtherProgram):
            return self.right.reference
        operators = {operator.op for node in self.graph.nodes for operator in node.operators}
        minds_nan = not _MIND_NAN.isdisjoint(operators)
        run = self.own if self.original is None else self.of_original(self.program.feeds)
        return Reference(run, self.program.feeds, minds_nan=minds_nan)

    @cached_property
    def own(self) -> Callable[[Feeds], Mapping[str, Tensor]]:
        """Runs the model itself on the reference; raises EngineError."""
        runner = self._reference_runner
        return lambda feeds: runner().run(feeds)[0]

    def of_original(self, like: Feeds) -> Callable[[Feeds], Mapping[str, Tensor]]:
        """Runs the original, where there is one, at the shapes of `like`; raises EngineError."""
        if self.original is None:
            raise AssertionError("only who has an original asks for it")
        return self._runs(self.original.at(like, self.outputs).program)

    def own_error(self) -> float:
        """The relative rms error of the model itself on held-out samples, or where there are none
        on the others: none where it has no original. Raises EngineError."""
        if self.original is None:
            return 0.0
        sets = [held_out_set(at, feeds) for at, feeds in enumerate(self.split.held_out)] or [
            InputSet(f"sample {at}", feeds) for at, feeds in enumerate(self.split.measured)
        ]
        pairs = [(self.own(each.feeds), self.reference.outputs(each)) for each in sets]
        return rms(pairs) if pairs else 0.0

    @cached_property
    def _reference_program(self) -> StageProgram:
        """As a plan of one stage has it."""
        return self.extract("stage-000", self.graph.nodes, self.graph.outputs)

    @cached_property
    def _reference_runner(self) -> Callable[[], Executor]:
        """Prepared when it is first asked for; raises EngineError."""
        staged = self.on_reference(self._reference_program)
        return _prepared_once(self.context, staged, self.outputs, self.reference_engines)

    def _is_reference(self, staged: StagedSchedule) -> bool:
        """Whether it is the same program on the same engine, which has no options of its own."""
        if self.context.specs.get(REFERENCE) != REFERENCE or len(staged.programs) != 1:
            return False
        [stage], [program] = staged.schedule.stages, staged.programs
        if stage.device != REFERENCE:
            return False
        return model_bytes(program.model) == model_bytes(self._reference_program.model)

    def runs_on(self, feeds: Feeds) -> bool:
        """Whether the reference can run the whole model on these inputs."""
        try:
            self._reference_runner().run(feeds)
        except EngineError:
            return False
        return True

    @cached_property
    def _values(self) -> Callable[[Feeds], Mapping[str, Tensor]]:
        """Tells all that nodes hand on, where it can leave the engine, and the inputs."""
        values = [value for node in self.graph.nodes for value in node.outputs if value.portable]
        run = self._runs(self.extract("values", self.graph.nodes, values))
        return lambda feeds: {**feeds, **run(feeds)}

    def values(self, values: Sequence[Value]) -> Feeds:
        """What nodes hand on in the model's run on the samples."""
        return self._runs(self.extract("values", self.graph.nodes, values))(self.program.feeds)

    @cached_property
    def reference_engines(self) -> Mapping[str, Backend]:
        return backends.create_all([REFERENCE])

    def on_reference(self, program: StageProgram) -> StagedSchedule:
        """A program of all nodes as one stage on the reference engine."""
        everything = tuple(node.name for node in self.graph.nodes)
        schedule = Schedule((Stage(REFERENCE, everything),), (Run(0),))
        return StagedSchedule(schedule, (program,), (None,))

    def _runs(
        self, program: StageProgram, engines: Mapping[str, Backend] | None = None
    ) -> Callable[[Feeds], Mapping[str, Tensor]]:
        """Runs it there, or on what goes by that name in `engines`; prepared when it is first run.
        Raises EngineError."""
        outputs = [value.name for value in program.outputs]
        staged = self.on_reference(program)
        engines = self.reference_engines if engines is None else engines
        prepared = _prepared_once(self.context, staged, outputs, engines)
        return lambda feeds: prepared().run(feeds)[0]

    @cached_property
    def whole(self) -> StageProgram:
        """The model, whatever the devices."""
        graph = graph_of(self.program)  # before operators were merged, which depends on the devices
        return self.extract("model", graph.nodes, graph.outputs)


def _prepared_once(
    context: CompileContext,
    staged: StagedSchedule,
    outputs: Sequence[str],
    engines: Mapping[str, Backend],
) -> Callable[[], Executor]:
    """When it is first asked for. It does not know whose answers it gives: whoever drops these
    drops the engine and its weights with them, at once."""
    return cache(partial(_executor, context, staged, outputs, engines))


def _executor(
    context: CompileContext,
    staged: StagedSchedule,
    outputs: Sequence[str],
    engines: Mapping[str, Backend],
) -> Executor:
    watch = None if context.journal is None else context.journal.watch(staged)
    return Executor(staged, outputs, engines, watch=watch, wary=True)
