"""A stream whose stages differ in how many inputs they take: built, checked and run, and solved for
again with what its stages took.

costs of one and of N inputs -> Throughput -> stages for one and for N, cut alike -> a turn
                                    ^                                                  |
                                    '------------- what their calls took --------------'

Inputs are put together, and cut apart, between its stages. So what is handed on there has to be, of
N inputs, what it is of each, stacked on its first axis: in a model that turns its axes round it is
not, whatever comes out in the end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil

import numpy as np

from stagecut.compiler.batches import stack, usual
from stagecut.compiler.comparison import held_right
from stagecut.compiler.effort import STREAM_ROUNDS
from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.batching import mixing_problem
from stagecut.compiler.ir.contender import ContenderId, ContenderKind
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.device import Tensor, silent
from stagecut.compiler.ir.errors import EngineError, StagecutError
from stagecut.compiler.ir.stream import in_flight, stream_of
from stagecut.compiler.ir.stream_certificate import Limit, most_latency_s
from stagecut.compiler.measurements import Measurements
from stagecut.compiler.mixed_batches import MixedBatches
from stagecut.compiler.seen_calls import SeenCalls
from stagecut.passes.gate.accuracy import flaws
from stagecut.passes.gate.build import Built
from stagecut.passes.gate.contenders import Proposal
from stagecut.passes.gate.stream_contenders import StreamProposal
from stagecut.passes.gate.stream_gate import BuiltStream, StreamGate, Turn
from stagecut.runtime.executor import Executor
from stagecut.runtime.stream.full import FEW, FullStream

#: So often the solver is asked, the last time with what was seen of all its answers before.
_MOST_SOLVES = 5


@dataclass(frozen=True, slots=True)
class Side:
    """The program of one input, or of several, and what its nodes take in streams."""

    measurements: Measurements
    costs: CostTable


@dataclass(frozen=True, slots=True)
class ReadyMixed:
    """`found`, whose stages are built: for one input, and for several."""

    found: MixedBatches
    proposal: StreamProposal
    alone: Built
    full: Built

    def priced_as(self, found: MixedBatches) -> "ReadyMixed":
        """The same stages, which were solved for again by what was seen of them."""
        stream, costs = found.solution.stream, found.solution.account
        return replace(
            self, found=found, proposal=replace(self.proposal, stream=stream, account=costs)
        )


@dataclass(frozen=True, slots=True)
class MixedStreams:
    """Of calls of one input and of `size`."""

    alone: Side
    full: Side
    size: int
    tolerance: float | None
    limits: tuple[Limit, ...]

    def best(self, first: MixedBatches) -> tuple[MixedBatches | None, ReadyMixed | None, str]:
        """The fastest by costs as they are in such streams, which by what is known beforehand is
        `first`; None where none keeps to the limits. Built, where it is worth it, or why not."""
        seen = SeenCalls()
        found: MixedBatches | None = first
        ran: dict[tuple[object, ...], ReadyMixed] = {}
        for _ in range(_MOST_SOLVES):
            found = first.solved_again(seen.calls, self.limits) if ran else first
            if found is None or not found.is_worth_it:
                return found, None, ""
            stream = found.solution.stream
            stages = (*stream.schedule.stages, *stream.replicas)
            if stages in ran and seen.hold_for(found.solution):
                return found, ran[stages].priced_as(found), ""
            try:
                ran[stages], turn = self._ran(found)
            except StagecutError as error:
                return found, None, f"not run: {error.problem}"
            seen.note(stream.schedule.stages, [turn.run.call_s])
        return found, None, "not run: what its stages take is another matter each time"

    def _ran(self, found: MixedBatches) -> tuple[ReadyMixed, Turn]:
        """Raises StagecutError where it cannot, or must not, run."""
        id_ = ContenderId(ContenderKind.OPTIMUM, batches=found.batches)
        alone, full = (self._built(side, found, id_) for side in (self.alone, self.full))
        machine = self.alone.costs.machine
        cut, batched = ((each.staged.schedule, each.staged.programs) for each in (alone, full))
        problem = mixing_problem(cut, batched, machine, self.size)
        problem = problem or self._border_problem(found, alone, full)
        if problem:
            raise EngineError(problem)
        proposal = StreamProposal(
            id_, alone.proposal, found.solution.stream, found.solution.account
        )
        settings = self.alone.measurements.context.settings
        rounds = STREAM_ROUNDS[settings.effort]
        gate = StreamGate(settings.clock, settings.cpu_clock, silent, rounds)
        running = BuiltStream(proposal, self._stream(proposal, alone, full))
        turn = gate.first_turn(running, self.alone.measurements.program.feeds)
        return ReadyMixed(found, proposal, alone, full), turn

    def _built(self, side: Side, found: MixedBatches, id_: ContenderId) -> Built:
        """Its stages for the program of one side, whose outputs are right."""
        schedule = stream_of(side.costs, found.stages, found.solution.stream.replicas).schedule
        proposal = Proposal(id_, schedule, account(side.costs, schedule))
        answers = side.measurements.answers
        staged = answers.staged(proposal)
        return held_right(side.measurements, self.tolerance, proposal, staged, answers.build)

    def _stream(self, proposal: StreamProposal, alone: Built, full: Built) -> FullStream:
        replicas, costs = proposal.stream.replicas, proposal.account
        batches = tuple(load.batch for load in costs.stages)
        limit = in_flight(
            replicas, batches, costs.period_s, costs.latency_s, most_latency_s(self.limits)
        )
        clock = self.alone.measurements.context.settings.clock
        least = ceil(FEW / self.size)
        executor = executor_of(alone)
        return FullStream(executor, replicas, limit, clock, least, batches, executor_of(full))

    def _border_problem(self, found: MixedBatches, alone: Built, full: Built) -> str:
        """What is not stacked, in batches, where stages differ in what they take."""
        one, many = executor_of(alone), executor_of(full)
        answers = self.alone.measurements.answers
        parts = usual(answers.reference, self.size)
        if len({each.name for each in parts}) < 2:
            return "there are no two inputs to tell apart"
        singles = [one.by_stage(part.feeds) for part in parts]
        together = many.by_stage(stack(parts))
        limit = answers.limit(self.tolerance, alone.proposal) or answers.usual_limit
        for at, (before, after) in enumerate(pairwise(found.batches)):
            for each in (*singles, together):
                each.advance()
            if before == after:
                continue
            try:
                expected = many.joined(singles)
            except ValueError:
                return f"what stage {at} hands on cannot be stacked"
            for flaw in flaws(_named(together.slots), _named(expected.slots), limit):
                return f"what stage {at} hands on is not stacked in batches: {flaw.problem}"
        return ""


def executor_of(built: Built) -> Executor:
    if not isinstance(built.runner, Executor):
        raise TypeError(built.runner)
    return built.runner


def _named(values: Sequence[object]) -> Mapping[str, Tensor]:
    """What is there, by where it lies."""
    return {f"value {at}": each for at, each in enumerate(values) if isinstance(each, np.ndarray)}
