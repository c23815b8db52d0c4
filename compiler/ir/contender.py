"""Plans that were compared end to end: which they are, and what was found of each."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

from stagecut.compiler.ir.amounts import Amount, Count, Positive
from stagecut.compiler.ir.machine import Basis
from stagecut.compiler.ir.stream import Hosting
from stagecut.compiler.ir.trace import Trace

#: How a contender's figure was found: timed on this machine, or added up from a cost table.
Accounting: TypeAlias = Literal["measured", "predicted"]


class ContenderKind(StrEnum):
    """Where a contender comes from."""

    OPTIMUM = "optimum"  #: the least total of the costs
    FEWER_STAGES = "optimum, fewer stages"  #: the least total if starting a stage cost 1 % of it
    EARLIER = "earlier optimum"  #: by costs that were mended since, when it was seen to run
    SINGLE = "single"  #: everything on one device
    FIRST = "first"  #: everything that can on one device, the rest where it is cheapest


@dataclass(frozen=True, slots=True)
class ContenderId:
    """Which contender: its kind, and the device that it is about, where it is about one.

    `configuration` are options that its single device has in this plan only, `waiting=spin`. In a
    stream, a single device runs `replicas` of the whole model, `batches` are how many inputs a call
    of each stage has, where it is more than one anywhere, and `hosting` says where replicas run. Of
    several earlier optima, `attempt` is the number.
    """

    kind: ContenderKind
    device: str = ""
    configuration: str = ""
    replicas: Positive = 1
    batches: tuple[Positive, ...] = ()
    hosting: Hosting = "threads"
    attempt: Positive = 1

    def __str__(self) -> str:
        """For people: `optimum`, `cpu.serial`, `cpu.parallel (waiting=spin)`, `npu first`,
        `2 x cpu.serial in processes, batch 4`, `optimum, batches 1 > 8 > 1`."""
        where = "" if self.hosting == "threads" else f" in {self.hosting}"
        return f"{self._what}{where}{self._batches}"

    @property
    def batch(self) -> int:
        """Of the stages that take several inputs; 1 where none does."""
        return max(self.batches, default=1)

    @property
    def _batches(self) -> str:
        if self.batch == 1:
            return ""
        if len({*self.batches}) == 1:
            return f", batch {self.batch}"
        return f", batches {' > '.join(map(str, self.batches))}"

    @property
    def _what(self) -> str:
        if self.kind is ContenderKind.SINGLE:
            device = f"{self.replicas} x {self.device}" if self.replicas > 1 else self.device
            return f"{device} ({self.configuration})" if self.configuration else device
        if self.kind is ContenderKind.EARLIER:
            return f"{self.kind} {self.attempt}"
        return f"{self.device} first" if self.kind is ContenderKind.FIRST else str(self.kind)

    @property
    def plain(self) -> "ContenderId":
        """The same contender in the usual configuration, as a single run has it."""
        return ContenderId(self.kind, self.device, attempt=self.attempt)


@dataclass(frozen=True, slots=True)
class Contender:
    """A plan that was compared end to end; the best one ships (`chosen`), and `why` says why.

    `also` are the other contenders that turned out to be this same plan. The true median lies
    between `low_s` and `high_s` with 95 % confidence; `noise` says what is odd about the runs, and
    is empty where nothing is. `stage_s` are the medians of its stages, without transfers; empty
    when it was only predicted. Those of `other_turns` did not take theirs with what ships: no
    figure of one is to be held against one of the other. `predicted_s` and `energy_j` are by the
    costs; the energy is None where not all of it is known. `cpu_s` is the processor time of a run,
    of all threads, None where it was not measured. `trace` is its run of median length, kept of the
    chosen one only.
    """

    id: ContenderId
    stages: Count
    median_s: Amount
    min_s: Amount
    max_s: Amount
    runs: Count
    basis: Basis
    accounting: Accounting
    chosen: bool
    predicted_s: Amount
    also: tuple[ContenderId, ...] = ()
    stage_s: tuple[Amount, ...] = ()
    energy_j: Amount | None = None
    cpu_s: Amount | None = None
    trace: Trace | None = None
    low_s: Amount = 0.0
    high_s: Amount = 0.0
    why: str = ""
    noise: str = ""
    other_turns: bool = False

    @property
    def name(self) -> str:
        """For people; a plan that is one device alone goes by the device's name."""
        return str(next((each for each in self.ids if each.kind is ContenderKind.SINGLE), self.id))

    @property
    def ids(self) -> tuple[ContenderId, ...]:
        return (self.id, *self.also)

    @property
    def is_optimum(self) -> bool:
        """Whether this is the optimum of the costs, whatever else it is."""
        return any(each.kind is ContenderKind.OPTIMUM for each in self.ids)

    @property
    def single_device(self) -> str | None:
        """The device that everything runs on, if it is one."""
        return next((each.device for each in self.ids if each.kind is ContenderKind.SINGLE), None)
