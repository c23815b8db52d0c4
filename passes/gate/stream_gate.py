"""Compare streams by running them full, in turns, and ship the one with the least period.

    round 1   2 x cpu.serial 0.3 s   1 x cpu.parallel 0.3 s   optimum 0.3 s
    round 2   2 x cpu.serial 0.3 s   ...
    final     2 x cpu.serial 0.3 s   optimum 0.3 s   2 x cpu.serial 0.3 s ...

A turn gives one sample of the period: the time in which inputs left the stream, by their number.
What is said of medians, intervals and noise is then as for single runs (gate.py).

Who takes part after a first turn is not left to the clock, as other work may have had the CPUs just
then: what counts is the processor time of an input, shared out to its cores. It is out where that
is twice what an input of the best takes; between that and near the best it has another turn, right
behind one of the best, as other work slows caches down, too. Those that are close to the best after
all rounds have as much time again for themselves: a few turns tell them apart by chance.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from stagecut.compiler.ir.contender import Contender, ContenderId
from stagecut.compiler.ir.device import Feeds, Progress
from stagecut.compiler.ir.stream import StreamRun, StreamRunner
from stagecut.passes.gate.gate import by_costs, by_samples, is_decided
from stagecut.passes.gate.stream_contenders import StreamProposal
from stagecut.passes.profile.rounds import Rounds, interleave

#: How long a turn takes; longer where each replica has not had a few inputs by then.
TURN_S = 0.25

#: In a turn as long as this there is nothing left to warm up behind what does not count of it.
_LONG_S = 0.5

#: How much slower than the best a stream may be in its first turn and still take part in others;
#: and how much slower, to have another one before that is decided.
NEAR, FAR = 1.25, 2.0

#: How much slower than the best a stream may be after all rounds and be in the final.
_CLOSE = 1.06


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

    def least_s(self, cores: int) -> float:
        """What the period would be, at the least, had other work taken nothing of these `cores`,
        which the stream keeps busy."""
        period_s = self.run.period_s
        return period_s if self.cpu_s is None else min(period_s, self.cpu_s / cores)


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
        pairs = zip(built, first, strict=True)
        race = _Race(built, {each.proposal.id: [turn] for each, turn in pairs})
        near = [*map(partial(self._takes_part, race, feeds), built)]

        def run(each: BuiltStream, _: bool) -> None:
            race.turns[each.proposal.id].append(self.turn(each, feeds))

        once = replace(self.rounds, warm_up=0, counted=1)
        while True:
            tasks = [partial(run, each) for each, in_it in zip(built, near, strict=True) if in_it]
            interleave(tasks, once, self.clock, self.progress, "comparing streams")
            wider = race.near_after_all(near)
            if wider == near:
                break
            near = wider
        finalists = race.close(near)
        if len(finalists) > 1:
            tasks = [partial(run, each) for each in finalists]
            told = partial(is_decided, partial(race.measured, finalists))
            interleave(tasks, once, self.clock, self.progress, "comparing the best streams", told)
        return race.found

    def _takes_part(self, race: "_Race", feeds: Feeds, each: BuiltStream) -> bool:
        """By its first turn, or by another one right behind one of the best."""
        best = race.best
        behind = race.least_s(each) / race.period_s(best)
        if behind <= NEAR:
            return True
        if behind > FAR and each.proposal.hosting == "threads":
            return False
        beside = self.turn(best, feeds)
        again = self.turn(each, feeds)
        race.turns[best.proposal.id].append(beside)
        race.turns[each.proposal.id].append(again)
        return is_near(each.proposal, again, beside.run.period_s)


@dataclass(frozen=True, slots=True)
class _Race:
    """Streams, and the turns that they have had."""

    built: Sequence[BuiltStream]
    turns: Mapping[ContenderId, list[Turn]]

    @property
    def best(self) -> BuiltStream:
        """Of those in threads, by the first turn."""
        return min(filter(_is_in_threads, self.built), key=self.period_s)

    @property
    def found(self) -> tuple[Contender, ...]:
        return self.measured(self.built)

    def measured(self, some: Sequence[BuiltStream]) -> tuple[Contender, ...]:
        return tuple(_measured(each.proposal, self.turns[each.proposal.id]) for each in some)

    def period_s(self, each: BuiltStream) -> float:
        """In its first turn."""
        return self.turns[each.proposal.id][0].run.period_s

    def least_s(self, each: BuiltStream) -> float:
        """Of its period, had other work taken no CPU from any of its turns."""
        turns = self.turns[each.proposal.id]
        return min(turn.least_s(each.proposal.cores) for turn in turns)

    def close(self, near: Sequence[bool]) -> list[BuiltStream]:
        """Those that took part and may be as fast as the best of them."""
        racing = [each for each, in_it in zip(self.built, near, strict=True) if in_it]
        medians_s = [found.median_s for found in self.measured(racing)]
        most_s = _CLOSE * min(medians_s)
        return [each for each, took_s in zip(racing, medians_s, strict=True) if took_s <= most_s]

    def near_after_all(self, near: Sequence[bool]) -> list[bool]:
        """Those that took part, and those in threads that were left out by turns of the best which
        were better than its usual ones."""
        pairs = zip(self.found, near, strict=True)
        most_s = NEAR * min(each.median_s for each, in_it in pairs if in_it)
        return [
            in_it or (_is_in_threads(each) and self.least_s(each) <= most_s)
            for each, in_it in zip(self.built, near, strict=True)
        ]


def _is_in_threads(each: BuiltStream) -> bool:
    return each.proposal.hosting == "threads"


def is_near(proposal: StreamProposal, turn: Turn, best_s: float) -> bool:
    """Whether a stream is near the best in threads, which had `best_s` from one input to the next,
    even if it was other work that kept it from being nearer."""
    return turn.least_s(proposal.cores) <= NEAR * best_s


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
