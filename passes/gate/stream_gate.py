"""Compare streams by running them full, in turns, and ship the one with the least period.

    round 1   2 x cpu.serial 0.3 s   1 x cpu.parallel 0.3 s   optimum 0.3 s
    round 2   2 x cpu.serial 0.3 s   ...

A turn gives one sample of the period: the time in which inputs left the stream, by their number.
What is said of medians, intervals and noise is then as for single runs (gate.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from stagecut.compiler.ir.contender import Contender, ContenderId
from stagecut.compiler.ir.device import Feeds, Progress
from stagecut.compiler.ir.stream import StreamRun, StreamRunner
from stagecut.passes.gate.gate import by_costs, by_samples
from stagecut.passes.gate.stream_contenders import StreamProposal
from stagecut.passes.profile.rounds import Rounds, interleave

#: How long a turn takes; longer where each replica has not had a few inputs by then.
TURN_S = 0.25

#: In a turn as long as this there is nothing left to warm up behind what does not count of it.
_LONG_S = 0.5

#: How much slower than the best a stream may be in its first turn and still take part in others.
NEAR = 1.25


@dataclass(frozen=True, slots=True)
class BuiltStream:
    """A stream that is ready to run, whose outputs are right."""

    proposal: StreamProposal
    runner: StreamRunner


@dataclass(frozen=True, slots=True)
class Turn:
    """One sample, and the processor time of an input, of all threads; None where other processes
    take part in it."""

    run: StreamRun
    cpu_s: float | None


@dataclass(frozen=True, slots=True)
class StreamGate:
    """`cpu_clock` tells the processor time of this process, in seconds."""

    clock: Callable[[], float]
    cpu_clock: Callable[[], float]
    progress: Progress
    rounds: Rounds

    def first_turn(self, built: BuiltStream, feeds: Feeds) -> Turn:
        """One sample of a stream that has never run. The turn before it does not count, for engines
        allocate memory in it, but where calls took so long that its own first ones, which do not
        count, are enough for that."""
        turn = self.turn(built, feeds)
        return turn if turn.run.wall_s >= _LONG_S else self.turn(built, feeds)

    def turn(self, built: BuiltStream, feeds: Feeds) -> Turn:
        """One sample of it."""
        before_s = self.cpu_clock()
        run = built.runner.run(feeds, TURN_S)
        if built.proposal.hosting != "threads":
            return Turn(run, None)
        return Turn(run, (self.cpu_clock() - before_s) / run.ran)

    def __call__(
        self, built: Sequence[BuiltStream], first: Sequence[Turn], feeds: Feeds
    ) -> tuple[Contender, ...]:
        """In the order given, none of them chosen; `first` are the turns that they have had, after
        which only those near the best in threads take further ones: processes have to show that
        they are better than these."""
        turns: dict[ContenderId, list[Turn]] = {
            each.proposal.id: [turn] for each, turn in zip(built, first, strict=True)
        }
        best_s = min(
            turn.run.period_s
            for each, turn in zip(built, first, strict=True)
            if each.proposal.hosting == "threads"
        )
        near = [is_near(turn, best_s) for turn in first]

        def run(each: BuiltStream, _: bool) -> None:
            turns[each.proposal.id].append(self.turn(each, feeds))

        once = replace(self.rounds, warm_up=0, counted=1)
        while True:
            tasks = [partial(run, each) for each, in_it in zip(built, near, strict=True) if in_it]
            interleave(tasks, once, self.clock, self.progress, "comparing streams")
            found = tuple(_measured(each.proposal, turns[each.proposal.id]) for each in built)
            wider = _near_after_all(found, near)
            if wider == near:
                return found
            near = wider


def _near_after_all(found: Sequence[Contender], near: Sequence[bool]) -> list[bool]:
    """Those that took part, and those left out by a first turn of the best, in threads, that was
    better than its usual ones."""
    best_s = min(each.median_s for each, in_it in zip(found, near, strict=True) if in_it)
    return [
        in_it or (each.id.hosting == "threads" and each.median_s <= NEAR * best_s)
        for each, in_it in zip(found, near, strict=True)
    ]


def is_near(turn: Turn, best_s: float) -> bool:
    """Whether a stream takes further turns after its first one, where the best in threads had
    `best_s` from one input to the next."""
    return turn.run.period_s <= NEAR * best_s


def _measured(proposal: StreamProposal, turns: Sequence[Turn]) -> Contender:
    return by_samples(
        predicted(proposal),
        [turn.run.period_s for turn in turns],
        zip(*(turn.run.call_s for turn in turns), strict=True),
        [turn.cpu_s for turn in turns if turn.cpu_s is not None],
    )


def predicted(proposal: StreamProposal) -> Contender:
    """The contender by the costs alone, where they are of a machine that need not be this one."""
    named = replace(proposal.single, id=proposal.id, also=proposal.also)
    return by_costs(named, proposal.account.period_s, proposal.account.basis)
