"""One input in a call against several: both take turns, and what counts is the ratio of each round.

    round 1   one by one 0.3 s   batches of 2 0.3 s   ratio 0.96
    round 2   one by one 0.3 s   batches of 2 0.3 s   ratio 0.94

Each was the best in a gate of its own, some minutes apart, in which the clock of a machine and what
else runs there change by more than what batches gain.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from statistics import median

from stagecut.compiler.effort import STREAM_ROUNDS
from stagecut.compiler.ir.contender import Contender
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.ir.stream import StreamRun
from stagecut.compiler.measurements import Measurements
from stagecut.passes.gate.contenders import Proposal
from stagecut.passes.gate.gate import by_samples
from stagecut.passes.gate.noise import median_interval
from stagecut.passes.gate.stream_gate import TURN_S
from stagecut.passes.profile.rounds import interleave
from stagecut.runtime.stream.full import FEW, FullStream
from stagecut.runtime.stream.pipeline import in_flight


@dataclass(frozen=True, slots=True)
class Runner:
    """A variant that was planned, at the program of which it is; `size` inputs in each call."""

    planned: PlannedVariant
    measurements: Measurements
    size: int = 1

    def stream(self) -> FullStream:
        """Its engines have run once. Raises EngineError."""
        planned, answers = self.planned, self.measurements.answers
        if planned.stream is None:
            raise AssertionError("it was made to stream")
        proposal = Proposal(planned.shipped.id, planned.schedule, planned.account)
        executor = answers.build(answers.staged(proposal), answers.outputs)
        executor.run(self.measurements.program.feeds)
        known = planned.stream
        limit = in_flight(known.replicas, 1, known.period_s, known.latency_s)
        clock = self.measurements.context.settings.clock
        return FullStream(executor, known.replicas, limit, clock, ceil(FEW / self.size))


@dataclass(frozen=True, slots=True)
class Race:
    """What ships of each, with the figures of these turns: times of `together` are those of a
    call. `ratios` are times of an input, batched over one by one."""

    alone: Contender
    together: Contender
    ratios: tuple[float, ...]

    @property
    def ratio(self) -> float:
        return median(self.ratios)

    @property
    def is_faster(self) -> bool:
        """Whether batches clearly take less time by input."""
        return median_interval(self.ratios).high < 1


def raced(alone: Runner, together: Runner) -> Race | None:
    """None where replicas run in processes, or an engine fails."""
    if any(each.planned.shipped.id.hosting != "threads" for each in (alone, together)):
        return None
    settings = alone.measurements.context.settings
    runners = (alone, together)
    try:
        streams = [each.stream() for each in runners]
        turns: tuple[list[StreamRun], list[StreamRun]] = ([], [])

        def turn(at: int) -> None:
            feeds = runners[at].measurements.program.feeds
            turns[at].append(streams[at].run(feeds, TURN_S))

        rounds = replace(STREAM_ROUNDS[settings.effort], warm_up=0, counted=1)
        tasks = [lambda _: turn(0), lambda _: turn(1)]
        interleave(tasks, rounds, settings.clock, settings.progress, "comparing batches")
    except EngineError:
        return None
    periods_s = [[each.period_s for each in some] for some in turns]
    ratios = tuple(many / together.size / one for one, many in zip(*periods_s, strict=True))
    seen = [_seen(each.planned.shipped, some) for each, some in zip(runners, turns, strict=True)]
    return Race(seen[0], seen[1], ratios)


def _seen(shipped: Contender, turns: Sequence[StreamRun]) -> Contender:
    stages = zip(*(turn.call_s for turn in turns), strict=True)
    known_cpu_s = () if shipped.cpu_s is None else (shipped.cpu_s,)
    return by_samples(shipped, [turn.period_s for turn in turns], stages, known_cpu_s)
