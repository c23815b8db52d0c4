"""One input in a call against several: both take turns, and what counts is the ratio of each round.

    round 1   one by one 0.3 s   batches of 2 0.3 s   ratio 0.96
    round 2   one by one 0.3 s   batches of 2 0.3 s   ratio 0.94

Each was the best in a gate of its own, some minutes apart, in which the clock of a machine and what
else runs there change by more than what batches gain. Here both are fed single inputs, as in use:
what it takes to stack them, and to cut their outputs apart, counts.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import ceil
from statistics import geometric_mean, median

from stagecut import backends
from stagecut.compiler.effort import STREAM_ROUNDS
from stagecut.compiler.ir.contender import Contender
from stagecut.compiler.ir.device import Backend
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.ir.planned_stream import PlannedStream
from stagecut.compiler.ir.stream import StreamRun
from stagecut.compiler.measurements import Measurements
from stagecut.passes.gate.contenders import Proposal
from stagecut.passes.gate.gate import by_samples
from stagecut.passes.gate.noise import median_interval
from stagecut.passes.gate.stream_gate import TURN_S
from stagecut.passes.profile.rounds import Rounds, interleave
from stagecut.runtime.executor import Executor
from stagecut.runtime.processes.processes import Processes
from stagecut.runtime.stream.full import FEW, FullStream

#: What was not told apart by its rounds is faster where it is by this much.
_CLEARLY_FASTER = 1.02

#: From so many rounds on, an interval that lies on one side of 1 ends the race.
_LEAST_TOLD = 6

#: Where that does not come about, there are as many rounds, which take this times as long as those
#: of other streams.
_MOST_ROUNDS, _LONGER = 17, 2


@dataclass(frozen=True, slots=True)
class Runner:
    """A variant that was planned, at the program of which it is; `full` has the same of the one
    that runs its full batches, where it has any."""

    planned: PlannedVariant
    measurements: Measurements
    full: "Runner | None" = None

    def stream(self, stack: ExitStack) -> FullStream:
        """Its engines have run once, and processes end with the stack. Raises EngineError."""
        known = _stream_of(self.planned)
        return FullStream(
            self._executor(known, stack),
            known.replicas,
            known.most_in_flight,
            self.measurements.context.settings.clock,
            ceil(FEW / known.batch),
            known.batches,
            None if self.full is None else self.full._executor(known, stack),
        )

    def _executor(self, stream: PlannedStream, stack: ExitStack) -> Executor:
        """Of its stages, which run where those of `stream` do."""
        planned, answers = self.planned, self.measurements.answers
        proposal = Proposal(planned.shipped.id, planned.schedule, planned.account)
        staged = answers.staged(proposal)
        executor = answers.build(staged, answers.outputs, self._engines)
        if stream.hosting != "threads":
            context = self.measurements.context
            processes = Processes(
                staged,
                stream.replicas,
                context.backends,
                context.specs,
                pinned=stream.hosting == "pinned processes",
                timeout_s=context.settings.engine_timeout_s or None,
            )
            stack.callback(processes.close)
            executor = executor.with_stages(processes.stages)
        executor.run(self.measurements.program.feeds)
        return executor

    @property
    def _engines(self) -> Mapping[str, Backend] | None:
        """As the variant has them, whatever it is that ships beside it; None where that is as the
        compile does."""
        stages, specs = self.planned.schedule.stages, self.planned.provenance.devices
        own = {stage.device: specs[stage.device] for stage in stages}
        if own.items() <= self.measurements.context.specs.items():
            return None
        return backends.create_all(own.values())


@dataclass(frozen=True, slots=True)
class Race:
    """What ships of each, with the figures of these turns. `ratios` are times of an input, batched
    over one by one."""

    alone: Contender
    together: Contender
    ratios: tuple[float, ...]

    @property
    def ratio(self) -> float:
        return median(self.ratios)

    @property
    def is_faster(self) -> bool:
        """Whether batches clearly take less time by input; or, after as many rounds as there is
        time for, whether single inputs take longer by more than a fiftieth, in the median and on
        average."""
        if median_interval(self.ratios).high < 1:
            return True
        worst = max(self.ratio, geometric_mean(self.ratios))
        return len(self.ratios) >= _LEAST_TOLD and worst * _CLEARLY_FASTER < 1


def raced(alone: Runner, together: Runner) -> Race | None:
    """None where an engine fails. `together` has batches."""
    settings = alone.measurements.context.settings
    runners = (alone, together)
    turns: tuple[list[StreamRun], list[StreamRun]] = ([], [])
    feeds = alone.measurements.program.feeds
    with ExitStack() as stack:
        try:
            streams = [each.stream(stack) for each in runners]

            def turn(at: int) -> None:
                turns[at].append(streams[at].run(feeds, TURN_S))

            tasks = [lambda _: turn(0), lambda _: turn(1)]
            interleave(
                tasks,
                _rounds(STREAM_ROUNDS[settings.effort]),
                settings.clock,
                settings.progress,
                "comparing batches",
                lambda: _is_told(_ratios(turns)),
            )
        except EngineError:
            return None
    seen = [_seen(each.planned.shipped, some) for each, some in zip(runners, turns, strict=True)]
    return Race(seen[0], seen[1], _ratios(turns))


def _rounds(rounds: Rounds) -> Rounds:
    """As many as it takes, where there is time for more than a few."""
    once = replace(rounds, warm_up=0, counted=1)
    if once.most < _LEAST_TOLD:
        return once
    return replace(once, most=_MOST_ROUNDS, budget_s=_LONGER * once.budget_s)


def _is_told(ratios: Sequence[float]) -> bool:
    if len(ratios) < _LEAST_TOLD:
        return False
    interval = median_interval(ratios)
    return interval.high < 1 or interval.low > 1


def _ratios(turns: tuple[Sequence[StreamRun], Sequence[StreamRun]]) -> tuple[float, ...]:
    return tuple(many.period_s / one.period_s for one, many in zip(*turns, strict=True))


def _stream_of(planned: PlannedVariant) -> PlannedStream:
    if planned.stream is None:
        raise AssertionError("it was made to stream")
    return planned.stream


def _seen(shipped: Contender, turns: Sequence[StreamRun]) -> Contender:
    stages = zip(*(turn.call_s for turn in turns), strict=True)
    known_cpu_s = () if shipped.cpu_s is None else (shipped.cpu_s,)
    return by_samples(shipped, [turn.period_s for turn in turns], stages, known_cpu_s)
