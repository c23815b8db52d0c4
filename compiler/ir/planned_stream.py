"""How a plan runs many inputs: replicas of its stages, and inputs in a call."""

from dataclasses import dataclass

from stagecut.compiler.ir.amounts import Amount, Count, Positive
from stagecut.compiler.ir.errors import PlanError
from stagecut.compiler.ir.hosts_stream import Load, Place
from stagecut.compiler.ir.machine import Basis
from stagecut.compiler.ir.stream import Hosting, in_flight

#: Of all stages together, and of inputs in one call: each replica is a thread.
MOST_REPLICAS = MOST_BATCHED = 1024


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """A stream than which none is both faster and sooner done, by the costs; `stages` are the
    device of each with its replicas, for people."""

    period_s: Amount
    latency_s: Amount
    stages: str
    basis: Basis


@dataclass(frozen=True, slots=True)
class PlannedStream:
    """How a variant runs many inputs: `replicas` of each stage, up to so many of `batches` inputs
    in a call of each, which is one or the same number for all.

    A call of several inputs has them stacked on axis 0, and hands back outputs that are. That each
    then comes out as it does alone is for whoever writes `batches` above 1 to have seen.
    `period_s` are the seconds from one input to the next, `latency_s` what one takes from end to
    end at that rate where none is before it; `in_flight` are there at most, 0 in plans that do not
    say so. `busy` is the part of the time that the replicas of each stage are at work, by
    the costs. `reason` says why a pipeline, or replicas, let more through than what else took part;
    `another` is the fastest stream with one more core, where it is faster than any without; `front`
    are streams of less latency, the fastest first. `hosting` says where replicas run when they
    stream; a single run, and inputs of other shapes, stay in the session's process. `tried` has a
    sentence for each number of inputs that were tried in one call. Of `candidates`, the stages on
    devices that might have been chosen, so many were `measured` in a stream; both are 0 where that
    is not known. Over several hosts, `places` are those of each stage, whose `replicas` they share
    out, and `loads` how busy links and the driver are by the costs. Raises PlanError for numbers
    that no stream has.
    """

    replicas: tuple[Positive, ...]
    batches: tuple[Positive, ...]
    period_s: Amount
    latency_s: Amount
    basis: Basis
    busy: tuple[Amount, ...] = ()
    reason: str = ""
    another: FrontPoint | None = None
    front: tuple[FrontPoint, ...] = ()
    hosting: Hosting = "threads"
    tried: tuple[str, ...] = ()
    in_flight: Count = 0
    measured: Count = 0
    candidates: Count = 0
    places: tuple[tuple[Place, ...], ...] = ()
    loads: tuple[Load, ...] = ()

    @property
    def batch(self) -> int:
        """Of the stages that take several inputs; 1 where none does."""
        return max(self.batches, default=1)

    @property
    def mixes(self) -> bool:
        """Whether some stages take several inputs in a call, and others one."""
        return len({*self.batches}) > 1

    @property
    def most_in_flight(self) -> int:
        known = in_flight(self.replicas, self.batches, self.period_s, self.latency_s)
        return self.in_flight or known

    def full_latency_s(self, period_s: float) -> float:
        """What an input takes from end to end while as many are in flight as there may be, its wait
        for a replica included, where one comes every `period_s` (`in_flight` has the source)."""
        return max(self.latency_s, self.most_in_flight * period_s)

    def __post_init__(self) -> None:
        if sum(self.replicas) > MOST_REPLICAS or self.batch > MOST_BATCHED:
            raise PlanError(
                f"{sum(self.replicas)} replicas with {self.batch} inputs in a call; the most are "
                f"{MOST_REPLICAS} and {MOST_BATCHED}",
                where="stream",
                fix="plan fewer replicas, or smaller batches",
            )
        sizes = {*self.batches} - {1}
        if len(self.batches) != len(self.replicas) or len(sizes) > 1:
            raise PlanError(
                f"{len(self.replicas)} stages take {[*self.batches][:8]} inputs in a call",
                where="stream",
                fix="give each stage 1, or the number that all others above 1 have",
            )
