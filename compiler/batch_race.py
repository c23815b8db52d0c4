"""One input in a call against several: both take turns (ratio_race.py).

Each was the best in a gate of its own, some minutes apart, in which the clock of a machine and what
else runs there change by more than what batches gain. Here both are fed single inputs, as in use:
what it takes to stack them, and to cut their outputs apart, counts.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from math import ceil
from statistics import median

from stagecut import backends
from stagecut.compiler.ir.contender import Contender
from stagecut.compiler.ir.device import Backend
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.ir.planned_stream import PlannedStream
from stagecut.compiler.ir.stream import StreamRun
from stagecut.compiler.measurements import Measurements
from stagecut.compiler.ratio_race import LEAST_TOLD, at_worst, ratios_in_turns
from stagecut.passes.gate.contenders import Proposal
from stagecut.passes.gate.gate import by_samples
from stagecut.passes.gate.noise import median_interval
from stagecut.passes.gate.stream_gate import TURN_S
from stagecut.runtime.executor import Executor
from stagecut.runtime.processes.processes import Processes
from stagecut.runtime.stream.full import FEW, FullStream

#: What was not told apart by its rounds is faster where it is by this much.
_CLEARLY_FASTER = 1.02


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
        return len(self.ratios) >= LEAST_TOLD and at_worst(self.ratios) * _CLEARLY_FASTER < 1


def raced(alone: Runner, together: Runner) -> Race | None:
    """None where an engine fails. `together` has batches."""
    runners = (alone, together)
    runs: tuple[list[StreamRun], list[StreamRun]] = ([], [])
    measurements = alone.measurements
    with ExitStack() as stack:
        try:
            streams = [each.stream(stack) for each in runners]

            def turn(at: int) -> float:
                runs[at].append(streams[at].run(measurements.program.feeds, TURN_S))
                return runs[at][-1].period_s

            turns = partial(turn, 0), partial(turn, 1)
            ratios = ratios_in_turns(turns, measurements.context.settings, "comparing batches")
        except EngineError:
            return None
    seen = [_seen(each.planned.shipped, some) for each, some in zip(runners, runs, strict=True)]
    return Race(seen[0], seen[1], ratios)


def _stream_of(planned: PlannedVariant) -> PlannedStream:
    if planned.stream is None:
        raise AssertionError("it was made to stream")
    return planned.stream


def _seen(shipped: Contender, turns: Sequence[StreamRun]) -> Contender:
    stages = zip(*(turn.call_s for turn in turns), strict=True)
    known_cpu_s = () if shipped.cpu_s is None else (shipped.cpu_s,)
    return by_samples(shipped, [turn.period_s for turn in turns], stages, known_cpu_s)
