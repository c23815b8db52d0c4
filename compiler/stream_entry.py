"""A stream that takes part in a compile, and what it is called in the comparison.

cpu.serial in two replicas       2 x cpu.serial, and the optimum where it is that, too
what the solver answers          optimum
what it answered before          earlier optimum 1, earlier optimum 2
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from stagecut.compiler.ir.contender import ContenderId, ContenderKind
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.stream import StreamRun, StreamSchedule
from stagecut.compiler.measure.memory import usable_bytes
from stagecut.compiler.readied import Readied
from stagecut.passes.gate.build import Built
from stagecut.passes.gate.contenders import Proposal
from stagecut.passes.gate.stream_contenders import StreamProposal
from stagecut.passes.gate.stream_gate import Turn, is_near
from stagecut.runtime.executor import Executor
from stagecut.runtime.stream.full import FullStream

#: What is slower by no more than this part in threads is tried in processes, too.
_ABOUT_AS_FAST = 1.05


@dataclass(frozen=True, slots=True)
class Entry:
    """A stream that may ship. It has no turn where it is not timed: parts of it are modelled, or
    the costs were handed in."""

    proposal: StreamProposal
    built: Built
    turn: Turn | None = None

    @property
    def readied(self) -> Readied:
        if not isinstance(self.built.runner, Readied):
            raise TypeError(self.built.runner)
        return self.built.runner

    @property
    def seen_s(self) -> float:
        """From one input to the next in its turn; infinite where it had none."""
        return math.inf if self.turn is None else self.turn.run.period_s

    def is_near(self, best_s: float) -> bool:
        """Whether it had a turn, and was near the best in it."""
        return self.turn is not None and is_near(self.proposal, self.turn, best_s)

    @property
    def may_run_in_processes(self) -> bool:
        """Whether it had a turn in threads that share engines as these come."""
        several = sum(self.proposal.stream.replicas) > 1
        return self.turn is not None and several and not self.proposal.id.configuration

    def called(self, id_: ContenderId, *also: ContenderId) -> "Entry":
        single = self.proposal.single
        if id_.kind is not ContenderKind.SINGLE:
            single = replace(single, id=id_.plain)
        return replace(self, proposal=replace(self.proposal, id=id_, also=also, single=single))


@dataclass(frozen=True, slots=True)
class ReadiedStream:
    """A StreamRunner, whose engines need not be there before it runs."""

    readied: Readied
    full: Callable[[Executor], FullStream]

    def run(self, feeds: Feeds, seconds: float) -> StreamRun:
        return self.full(self.readied()).run(feeds, seconds)


def named(entries: Sequence[Entry], optimum: StreamProposal) -> Iterator[Entry]:
    """Whole replicas by their device, of which one may be the optimum, too; then the pipelines: the
    optimum, and earlier answers of the solver in the order in which they came."""
    wholes = [each for each in entries if each.proposal.id.kind is ContenderKind.SINGLE]
    for each in wholes:
        also = replace(optimum.id, hosting=each.proposal.hosting)
        plain = not each.proposal.id.configuration
        is_optimum = plain and each.proposal.stream == optimum.stream
        yield each.called(each.proposal.id, *([also] if is_optimum else []))
    known = [each.proposal.stream for each in wholes]
    earlier: list[StreamSchedule] = []
    for each in entries:
        stream, hosting = each.proposal.stream, each.proposal.hosting
        if stream in known:
            continue
        if stream == optimum.stream:
            yield each.called(replace(optimum.id, hosting=hosting))
            continue
        if stream not in earlier:
            earlier.append(stream)
        attempt = earlier.index(stream) + 1
        yield each.called(ContenderId(ContenderKind.EARLIER, attempt=attempt, hosting=hosting))


def about_as_fast(entries: Sequence[Entry], seen_s: Sequence[float]) -> Sequence[Entry]:
    """The fastest by what was `seen_s` of each, and whole replicas that are about as fast."""
    order = sorted(range(len(entries)), key=seen_s.__getitem__)
    first, *others = [entries[at] for at in order if seen_s[at] <= _ABOUT_AS_FAST * min(seen_s)]
    return [first, *(each for each in others if each.proposal.id.kind is ContenderKind.SINGLE)]


def singles(entries: Sequence[Entry]) -> tuple[Proposal, ...]:
    """What an input does in each, once: wherever its replicas are, and in whatever configuration,
    it is the same."""
    found: dict[ContenderId, Proposal] = {}
    for each in entries:
        found.setdefault(each.proposal.single.id, each.proposal.single)
    return tuple(found.values())


def has_room(proposal: StreamProposal, beside_bytes: int = 0) -> bool:
    """Whether half of the memory that is left holds the weights once for each replica, what its
    engine makes of them, and what each takes beside."""
    weights = (load.weight_bytes * load.replicas for load in proposal.account.stages)
    beside = beside_bytes * sum(proposal.stream.replicas)
    return 2 * sum(weights) + beside <= usable_bytes() / 2
