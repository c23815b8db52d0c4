"""The streams that take part in a compile, and what was seen of them and of their stages.

whole replicas, then what the solver answers     built, checked, a turn each
whole replicas near the best, configured         for when nothing else competes, and with a session
                                                   each: a turn each
the fastest of several replicas, in processes    a turn each
the three fastest                                further turns: what their stages cost
all of them                                      those near the best take turns

Engines of streams that are far from the best are let go: each has what it makes of the weights.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Self

from stagecut import backends
from stagecut.compiler.circumstances import quietest
from stagecut.compiler.compared import Compared
from stagecut.compiler.comparison import configured, engines_of, held_right
from stagecut.compiler.context import Settings
from stagecut.compiler.effort import STREAM_ROUNDS
from stagecut.compiler.ir.contender import Contender, ContenderKind
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.device import Backend, Feeds, StagedSchedule
from stagecut.compiler.ir.errors import EngineError, StagecutError
from stagecut.compiler.ir.objective import THROUGHPUT
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.stream import (
    Hosting,
    StreamRun,
    StreamSchedule,
    StreamSolution,
    in_flight,
)
from stagecut.compiler.ir.stream_certificate import Limit
from stagecut.compiler.measurements import Measurements
from stagecut.compiler.readied import Readied
from stagecut.compiler.seen_calls import SeenCalls, can_run
from stagecut.compiler.stream_entry import (
    Entry,
    ReadiedStream,
    about_as_fast,
    has_room,
    named,
    singles,
)
from stagecut.passes.gate.build import Built
from stagecut.passes.gate.gate import choose, disputed
from stagecut.passes.gate.stream_contenders import StreamProposal, keeps_to
from stagecut.passes.gate.stream_gate import BuiltStream, StreamGate, Turn, predicted
from stagecut.passes.profile.loaded import ObservedCall
from stagecut.passes.profile.profile import Fault
from stagecut.runtime.executor import Executor
from stagecut.runtime.processes.processes import Processes
from stagecut.runtime.stream.full import FEW, FullStream

#: So many turns have the fastest, so many of them, beside their first ones, before it is decided
#: what their stages cost.
_FURTHER_TURNS, _FURTHER_OF = 2, 3

#: What a process takes before it has any weights.
_LIBRARIES_BYTES = 200 << 20


@dataclass(frozen=True, slots=True)
class Ways:
    """How streams take part beside threads that share an engine: in its configurations, and, as is
    said, replicas `apart`, with an engine of their own each, or in `processes`."""

    apart: bool
    processes: bool


class StreamField:
    """The streams that take part, and what was seen of their stages. Turns are as long for `size`
    inputs in each call as for single ones. No more inputs are in flight than take
    `most_latency_s` by that. Where there are `ways`, these are tried, too."""

    def __init__(
        self,
        measurements: Measurements,
        tolerance: float | None,
        *,
        timed: bool,
        size: int = 1,
        most_latency_s: float = math.inf,
        ways: Ways | None = None,
    ) -> None:
        settings = measurements.context.settings
        self._measurements = measurements
        self._tolerance = tolerance
        self._timed = timed
        self._least = math.ceil(FEW / size)
        self._most_latency_s = most_latency_s
        self._ways = ways
        self._settings: Settings = settings
        self._gate = StreamGate(
            settings.clock, settings.cpu_clock, settings.progress, STREAM_ROUNDS[settings.effort]
        )
        self._entries: list[Entry] = []
        self._dropped: list[str] = []
        self._error: StagecutError | None = None
        self._calls = SeenCalls()
        self._has_settled = False
        self._failed: set[tuple[Stage, ...]] = set()
        self._processes: list[Processes] = []

    def enter(self, proposals: Iterable[StreamProposal]) -> tuple[Fault, ...]:
        """Build streams, hold their outputs against the reference's, and let each run for a turn;
        the nodes that are to blame where outputs are wrong."""
        faults: list[Fault] = []
        for proposal in proposals:
            try:
                faults += self._enter(proposal)
            except EngineError as error:
                self._failed.add(proposal.stream.schedule.stages)
                self._drop(f"stream {proposal.id} is left out: {error.problem}", error)
            self._let_go_of_the_slow()
        return tuple(faults)

    def _enter(self, proposal: StreamProposal) -> tuple[Fault, ...]:
        answers = self._measurements.answers
        checked = answers.checked([proposal.single], self._tolerance)
        self._entries += [self._entry(proposal, self._readied(built)) for built in checked.built]
        if not checked.wrong:
            return ()
        [wrong] = checked.wrong
        self._failed.add(proposal.stream.schedule.stages)
        self._drop(str(wrong), wrong.error)
        coarse = answers.is_coarse(wrong, self._tolerance)
        return () if coarse else answers.culprits([wrong], self._tolerance)

    def _readied(self, built: Built, engines: Mapping[str, Backend] | None = None) -> Built:
        executor = built.runner
        if not isinstance(executor, Executor):
            raise TypeError(executor)
        prepare = partial(_prepared, self._measurements, built.staged, engines)
        return replace(built, runner=Readied(executor, prepare))

    def _let_go_of_the_slow(self) -> None:
        """Of those that will take no further turns, should the best of all keep to the limits."""
        best_s = min((each.seen_s for each in self._entries), default=math.inf)
        for each in self._entries:
            if not each.is_near(best_s):
                each.readied.release()

    def _drop(self, told: str, error: StagecutError) -> None:
        self._dropped.append(told)
        self._error = self._error or error

    def _entry(self, proposal: StreamProposal, built: Built) -> Entry:
        if not self._timed or proposal.account.basis == "modelled":
            return Entry(proposal, built)
        entry, turn = self._first(proposal, built)
        self._note(proposal.stream, [turn])
        return entry

    def settle(self) -> bool:
        """Try other ways, and let the fastest streams have further turns, so that their stages cost
        what they took in the median of all, the best's at the last; whether there were any. One
        turn may mislead about what it takes in others. Only once, and where there is time."""
        if self._has_settled or self._settings.effort == "quick":
            return False
        self._has_settled = True
        self.enter_otherwise()
        timed = [(each, [each.turn]) for each in self._entries if each.turn is not None]
        seen = sorted(timed, key=lambda pair: pair[0].seen_s)[:_FURTHER_OF]
        for _ in range(_FURTHER_TURNS):
            for entry, turns in seen:
                turns.append(self._gate.turn(self._running(entry), self._feeds))
        for entry, turns in sorted(seen, key=lambda each: -_usual_s(each[1])):
            self._note(entry.proposal.stream, turns)
        return bool(seen)

    @property
    def _feeds(self) -> Feeds:
        return self._measurements.program.feeds

    def _note(self, stream: StreamSchedule, turns: Sequence[Turn]) -> None:
        self._calls.note(stream.schedule.stages, [turn.run.call_s for turn in turns])

    def _running(self, entry: Entry) -> BuiltStream:
        replicas, account = entry.proposal.stream.replicas, entry.proposal.account
        ones = (1,) * len(replicas)
        most_s = self._most_latency_s
        limit = in_flight(replicas, ones, account.period_s, account.latency_s, most_s)
        clock, least = self._settings.clock, self._least
        full = partial(FullStream, replicas=replicas, limit=limit, clock=clock, least=least)
        return BuiltStream(entry.proposal, ReadiedStream(entry.readied, full))

    def calls(self, costs: CostTable) -> Iterable[ObservedCall]:
        """What was seen of stages that may still be chosen, in the order in which it was seen."""
        return self._calls.of(costs)

    def knows(self, solution: StreamSolution) -> bool:
        """Whether it takes part already, or an engine failed at it, or all its stages were run in
        a stream and cost what they took there."""
        stages = solution.stream.schedule.stages
        if stages in self._failed or self._takes_part(solution.stream):
            return True
        return self._calls.hold_for(solution)

    def _takes_part(self, stream: StreamSchedule) -> bool:
        return any(each.proposal.stream == stream for each in self._entries)

    @property
    def measured(self) -> int:
        """How many stages were run in a stream."""
        return len(self._calls)

    @property
    def runs(self) -> Sequence[StreamRun]:
        """Of the turns that there were."""
        return [entry.turn.run for entry in self._entries if entry.turn is not None]

    def enter_otherwise(self) -> None:
        """What took part in threads that share an engine, in other ways; only once."""
        ways, self._ways = self._ways, None
        if ways is not None:
            self._enter_configured(apart=ways.apart)
        if ways is not None and ways.processes:
            self._enter_in_processes()

    def _enter_configured(self, *, apart: bool) -> None:
        """Whole replicas near the best once more, in every configuration that their device offers
        for when nothing else competes with it, with threads that all callers share, and `apart`,
        each by a session of its own; where there is time."""
        if self._settings.effort == "quick":
            return
        context = self._measurements.context
        best_s = min((each.seen_s for each in self._entries), default=math.inf)
        for each in [each for each in self._entries if each.is_near(best_s)]:
            plain = each.proposal.id
            if plain.kind is not ContenderKind.SINGLE or len(each.built.staged.programs) > 1:
                continue
            engine, callers = context.backends[plain.device], sum(each.proposal.stream.replicas)
            offered = (*backends.configurations(engine), backends.helped(engine, callers))
            separate = self._apart(each) if apart else ()
            for configuration in filter(None, (*offered, *separate)):
                id_ = replace(plain, configuration=configuration)
                try:
                    self._entries.append(self._configured(replace(each.proposal, id=id_), each))
                except EngineError as error:
                    self._drop(f"stream {id_} is left out: {error.problem}", error)
        self._let_go_of_the_slow()

    def _apart(self, plain: Entry) -> Iterator[str]:
        """The configuration of a session for each replica, where there is one, and room for it."""
        id_ = plain.proposal.id
        engine = self._measurements.context.backends[id_.device]
        configuration = backends.apart(engine, sum(plain.proposal.stream.replicas))
        if not configuration:
            return
        if has_room(plain.proposal):
            yield configuration
        else:
            apart = replace(id_, configuration=configuration)
            self._dropped.append(f"stream {apart} is left out: memory is short for sessions")

    def _configured(self, proposal: StreamProposal, plain: Entry) -> Entry:
        """`plain` is the same stream in the usual configuration."""
        single = replace(proposal.single, id=proposal.id)
        engines = engines_of(self._measurements, single)
        staged = plain.built.staged
        built = configured(self._measurements, self._tolerance, single, staged, engines)
        return self._first(proposal, self._readied(built, engines))[0]

    def _first(self, proposal: StreamProposal, built: Built) -> tuple[Entry, Turn]:
        """With its first turn."""
        entry = Entry(proposal, built)
        turn = self._gate.first_turn(self._running(entry), self._feeds)
        return replace(entry, turn=turn), turn

    def _enter_in_processes(self) -> None:
        """The fastest streams of several replicas once more, each in a process of its own, with and
        without CPUs of its own; where there is time. However fast one call on more threads is:
        what keeps replicas in threads from being faster may be gone in processes."""
        timed = [each for each in self._entries if each.may_run_in_processes]
        if not timed or self._settings.effort == "quick":
            return
        hostings: Sequence[Hosting] = ("processes", "pinned processes")
        for each in self._fastest(timed):
            for hosting in hostings:
                id_ = replace(each.proposal.id, hosting=hosting)
                if not has_room(each.proposal, _LIBRARIES_BYTES):
                    self._dropped.append(f"stream {id_} is left out: memory is short for processes")
                    continue
                proposal = replace(each.proposal, id=id_, hosting=hosting)
                try:
                    self._entries.append(self._in_processes(proposal, each))
                except EngineError as error:
                    self._drop(f"stream {id_} is left out: {error.problem}", error)

    def _fastest(self, timed: Sequence[Entry]) -> Sequence[Entry]:
        """The fastest of those near the best, and what is about as fast on another device, by
        another turn each, one right behind the other: between their first ones there was time for
        other work to come and go."""
        best_s = min(each.seen_s for each in timed)
        near = [each for each in timed if each.is_near(best_s)]
        if len(near) == 1:
            return near
        turns = [self._gate.turn(self._running(each), self._feeds) for each in near]
        return about_as_fast(near, [turn.run.period_s for turn in turns])

    def _in_processes(self, proposal: StreamProposal, threads: Entry) -> Entry:
        """`threads` is the same stream in this process."""
        staged = threads.built.staged
        context = self._measurements.context
        processes = Processes(
            staged,
            proposal.stream.replicas,
            context.backends,
            context.specs,
            pinned=proposal.hosting == "pinned processes",
            timeout_s=self._settings.engine_timeout_s or None,
        )
        self._processes.append(processes)
        executor = threads.readied().with_stages(processes.stages)
        single = replace(proposal.single, id=proposal.id)
        built = held_right(self._measurements, self._tolerance, single, staged, lambda *_: executor)
        return self._first(proposal, replace(built, runner=Readied(executor, lambda: executor)))[0]

    def final(
        self, optimum: StreamProposal, costs: CostTable, limits: Sequence[Limit]
    ) -> tuple[Entry, ...]:
        """The streams to decide between, with their accounts by `costs`: whole replicas, the
        fastest by the costs, and what the solver answered before, as far as they keep to the
        limits. Raises what was wrong with them where there is none."""
        failed = optimum.stream.schedule.stages in self._failed
        if not (failed or self._takes_part(optimum.stream)):
            self.enter([optimum])
        found = []
        for each in named(self._entries, optimum):
            stages = each.proposal.stream.schedule.stages
            if not all(can_run(costs, stage) for stage in stages):
                continue  # nodes in it were seen to be wrong elsewhere
            proposal = each.proposal.priced(costs)
            if keeps_to(proposal, limits):
                found.append(replace(each, proposal=proposal))
        if not found:
            raise self._error or AssertionError("a stream is built or left out")
        return tuple(found)

    def close(self) -> None:
        """End the processes that were started."""
        for each in self._processes:
            each.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def compared(self, entries: tuple[Entry, ...]) -> Compared:
        """By turns where they are timed; the one that is chosen is right at other shapes, too."""
        measurements = self._measurements
        timed = [(each, each.turn) for each in entries if each.turn is not None]
        found = tuple(predicted(each.proposal) for each in entries if each.turn is None)

        def measure() -> tuple[Contender, ...]:
            running = [self._running(entry) for entry, _ in timed]
            return self._gate(running, [turn for _, turn in timed], self._feeds)

        known = None
        if timed:
            measured, known = quietest("gate", self._settings, measure, disputed)
            found = (*measured, *found)
        for each in entries:
            each.readied.release()
        contenders = choose(found, THROUGHPUT)
        built = [
            replace(each.built, proposal=replace(each.proposal.single, id=each.proposal.id))
            for each in entries
        ]
        compared = Compared.of(measurements.answers, contenders, built, self._dropped)
        return measurements.right_elsewhere.shipping(
            replace(compared, circumstances=known), singles(entries), THROUGHPUT, self._tolerance
        )


def _prepared(
    measurements: Measurements, staged: StagedSchedule, engines: Mapping[str, Backend] | None
) -> Executor:
    """The first run is never timed. Not the field's: an entry that knew it would go with it only
    when rings are collected, and its engines with both."""
    answers = measurements.answers
    executor = answers.build(staged, answers.outputs, engines)
    executor.run(measurements.program.feeds)
    return executor


def _usual_s(turns: Sequence[Turn]) -> float:
    return median(turn.run.period_s for turn in turns)
