"""What a plan says about itself: the data of `plan.json`, schema `stagecut.plan/2`.

Plan document -> entries ("main"; or "prefill", "decode") -> variants, one for each profiled shape
  variant -> schedule, account, certificate; stages (the programs); nodes; contenders
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, TypeAlias

from stagecut.compiler.ir.account import Account
from stagecut.compiler.ir.amounts import Amount, Count, Distance, Finite, Positive, Size
from stagecut.compiler.ir.errors import PlanError
from stagecut.compiler.ir.graph import ANY_RANK, Dims, Value
from stagecut.compiler.ir.machine import Basis, Machine
from stagecut.compiler.ir.precision import PlannedPrecision
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.ir.solution import Certificate
from stagecut.compiler.ir.state import DECODE, Decoding
from stagecut.compiler.ir.stream import Hosting
from stagecut.compiler.ir.text import shape_text
from stagecut.compiler.ir.trace import Trace

#: How a contender's figure was found: timed on this machine, or added up from a cost table.
Accounting: TypeAlias = Literal["measured", "predicted"]

SCHEMA = "stagecut.plan/2"

#: The entry of a model that has one way in.
MAIN = "main"


@dataclass(frozen=True, slots=True)
class Port:
    """A tensor at a border: of the plan, or of a stage.

    `shape` is the profiled one. `dims` are what the model declares, with a name or "?" for each
    dimension that it leaves open; empty where it leaves none open.
    """

    name: str
    dtype: str
    shape: tuple[Size, ...]
    dims: Dims = field(default=(), kw_only=True)

    @property
    def declared(self) -> Dims:
        """Every dimension, those that are open by their names."""
        return self.dims or self.shape


@dataclass(frozen=True, slots=True)
class InputPort(Port):
    """An input of the plan; `low` and `high` are the range of the values it was profiled with.

    `value` is what stages call it where the model hands it back, too; empty elsewhere. One that is
    `optional` has a default, which the plan holds.
    """

    low: float = 0.0
    high: float = 1.0
    value: str = ""
    optional: bool = False

    @property
    def inside(self) -> str:
        """Its name in the stages."""
        return self.value or self.name


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """The program of the schedule's stage at the same place; `file` is its archive member.

    `load_s` is what loading the weights into a modelled device's memory takes, once, before the
    first run; it is in no other figure. `observed_s` is what the gate measured for the stage as a
    whole, which engines may have fused; None where it was not run.
    """

    file: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    load_s: Amount = 0.0
    observed_s: Amount | None = None

    @property
    def program(self) -> str:
        """The program's name, which traces have."""
        return self.file.removesuffix(".onnx")


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A schedule, what it costs, and the programs of its stages."""

    schedule: Schedule
    account: Account
    stages: tuple[PlannedStage, ...]


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """A node and why it runs where it runs: its cost on every device, or why it cannot run there.

    `totals` is what the best schedule would cost with the node on each device and all others
    wherever is then best, in the objective's unit; a device is left out where no such schedule is
    known.
    """

    name: str
    op: str
    operators: tuple[str, ...]
    flops: Size
    weight_bytes: Size
    run_s: Mapping[str, Amount]
    refusals: Mapping[str, str]
    totals: Mapping[str, Amount] = field(default_factory=dict)


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
    stream, a single device runs `replicas` of the whole model, with `batch` inputs in a call, and
    `hosting` says where replicas run. Of several earlier optima, `attempt` is the number.
    """

    kind: ContenderKind
    device: str = ""
    configuration: str = ""
    replicas: Positive = 1
    batch: Positive = 1
    hosting: Hosting = "threads"
    attempt: Positive = 1

    def __str__(self) -> str:
        """For people: `optimum`, `cpu.serial`, `cpu.parallel (waiting=spin)`, `npu first`,
        `2 x cpu.serial in processes, batch 4`."""
        where = "" if self.hosting == "threads" else f" in {self.hosting}"
        batch = f", batch {self.batch}" if self.batch > 1 else ""
        return f"{self._what}{where}{batch}"

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
    when it was only predicted. `predicted_s` and `energy_j` are by the costs; the energy is None
    where not all of it is known. `cpu_s` is the processor time of a run, of all threads, None where
    it was not measured. `trace` is its run of median length, kept of the chosen one only.
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


@dataclass(frozen=True, slots=True)
class OutputDifference:
    """How far an output is from the whole model's in its own precision, on the sample inputs.

    `max_abs` is the largest difference, `relative` that over the largest number of the reference,
    `cosine` of the angle between the two, None where one is all zeros.
    """

    name: str
    max_abs: Distance
    relative: Distance
    cosine: Finite | None


@dataclass(frozen=True, slots=True)
class Checks:
    """On which inputs the plan's outputs were held against those of the whole model before it
    shipped, and the largest `relative` difference on any of them, None where no figure says it."""

    inputs: tuple[str, ...]
    worst: float | None


#: The last second that calendars know.
_YEAR_9999_S = 253402300799


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Under which the `profile` or the `gate` was measured: in this compile or an earlier one.

    `measured_at_s` are seconds since 1970. `noise` says what speaks against the figures, and is
    empty where nothing does. `foreign_load` is the part of the CPUs' time that other work took
    meanwhile, `waited` the part of the time in which something waited for a CPU; None where the
    kernel does not tell. Raises PlanError for a time that is none.
    """

    what: str
    measured_at_s: float
    noise: str = ""
    foreign_load: float | None = None
    waited: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.measured_at_s <= _YEAR_9999_S:
            raise PlanError(f"{self.measured_at_s} is no time of day", where=f"{self.what}")


@dataclass(frozen=True, slots=True)
class ProfilePath:
    """One complete assignment that was run to measure, and what for."""

    name: str
    reason: str
    runs: Count
    devices: Mapping[str, Count]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a plan comes from. Paths and times of day are left out: same inputs, same bytes.

    `devices` maps each device's name to the text it was asked for with (`pim.hbm:channels=64`).
    """

    stagecut: str
    model: str
    model_sha256: str
    cpu: str
    threads: Positive
    versions: Mapping[str, str]
    devices: Mapping[str, str]
    options: Mapping[str, str]


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
    """How a variant runs many inputs: `replicas` of each stage, up to `batch` inputs in a call.

    A call of several inputs has them stacked on axis 0, and hands back outputs that are. That each
    then comes out as it does alone is for whoever writes a `batch` above 1 to have seen.
    `period_s` are the seconds from one input to the next, `latency_s` what one takes from end to
    end at that rate. `busy` is the part of the time that the replicas of each stage are at work, by
    the costs. `reason` says why a pipeline, or replicas, let more through than what else took part;
    `another` is the fastest stream with one more core, where it is faster than any without; `front`
    are streams of less latency, the fastest first. `hosting` says where replicas run when they
    stream; a single run, and inputs of other shapes, stay in the session's process. `tried` has a
    sentence for each number of inputs that were tried in one call. Raises PlanError for numbers
    that no stream has.
    """

    replicas: tuple[Positive, ...]
    batch: Positive
    period_s: Amount
    latency_s: Amount
    basis: Basis
    busy: tuple[Amount, ...] = ()
    reason: str = ""
    another: FrontPoint | None = None
    front: tuple[FrontPoint, ...] = ()
    hosting: Hosting = "threads"
    tried: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if sum(self.replicas) > MOST_REPLICAS or self.batch > MOST_BATCHED:
            raise PlanError(
                f"{sum(self.replicas)} replicas with {self.batch} inputs in a call; the most are "
                f"{MOST_REPLICAS} and {MOST_BATCHED}",
                where="stream",
                fix="plan fewer replicas, or smaller batches",
            )


def batching_problem(inputs: Sequence[Port], outputs: Sequence[Port]) -> str:
    """Why several inputs cannot be run as one, stacked on axis 0; empty where they can be.

    The first dimension of all must be open; that of the inputs must be one dimension of one name,
    which is no other dimension, or else stacking would change more than the number of rows.
    """
    for port in (*inputs, *outputs):
        if not port.dims or port.dims == ANY_RANK or isinstance(port.dims[0], int):
            return f"{port.name} has no open first dimension"
    rows = {port.dims[0] for port in inputs}
    if len(rows) != 1 or "?" in rows:
        return "the inputs do not have one open first dimension of one name"
    for port in (*inputs, *outputs):
        if rows & {*port.dims[1:]}:
            return f"{port.name} has its first dimension twice"
    return ""


@dataclass(frozen=True, slots=True)
class PlannedVariant:
    """A schedule for one shape of an entry, and everything that is known about it.

    `certificate` is about the optimum of the costs, which need not be what ships: `shipped` says.
    `workarounds` tell what engines failed to do, or did wrong, while the plan was made. `checks`
    are None where there was nothing to compare outputs with. `fallback` is the best contender that
    needs nothing but ONNX Runtime, where the plan itself needs more. `circumstances` has an entry
    for all that was measured. Without a `stream`, a stream has one replica of each stage.
    `precision` is None where errors were no budget.
    """

    name: str
    objective: str
    machine: Machine
    inputs: tuple[InputPort, ...]
    outputs: tuple[Port, ...]
    run: PlannedRun
    certificate: Certificate
    nodes: tuple[PlannedNode, ...]
    contenders: tuple[Contender, ...]
    profile_paths: tuple[ProfilePath, ...]
    provenance: Provenance
    accuracy: tuple[OutputDifference, ...] = ()
    workarounds: tuple[str, ...] = ()
    fallback: PlannedRun | None = None
    checks: Checks | None = None
    circumstances: tuple[Circumstances, ...] = ()
    stream: PlannedStream | None = None
    precision: PlannedPrecision | None = None

    @property
    def schedule(self) -> Schedule:
        return self.run.schedule

    @property
    def account(self) -> Account:
        return self.run.account

    @property
    def stages(self) -> tuple[PlannedStage, ...]:
        return self.run.stages

    @property
    def shipped(self) -> Contender:
        """The contender that this plan is."""
        return next(contender for contender in self.contenders if contender.chosen)

    @property
    def observed_s(self) -> float | None:
        """What the gate measured for the whole plan; None where it was not run."""
        return self.shipped.median_s if self.shipped.accounting == "measured" else None

    @property
    def profiled(self) -> str:
        """The shapes that the plan was profiled with, as `ids 1x128, mask 1x128`."""
        return shape_text({port.name: port.shape for port in self.inputs})


@dataclass(frozen=True, slots=True)
class PlannedEntry:
    """One way into a model, with a variant for each shape that was profiled.

    `left_out` are outputs of the model that are no tensors, with their types, which a plan cannot
    hand back. `fixed` are inputs of the model with a default that nobody asked for when it was
    compiled: constants of the plan.
    """

    variants: tuple[PlannedVariant, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()


def stacked(shapes: Sequence[tuple[int, ...]], count: int) -> tuple[tuple[int, ...], ...]:
    """Those of so many inputs of these shapes, stacked on axis 0."""
    return tuple((count * shape[0], *shape[1:]) for shape in shapes)


def for_batches(variants: Sequence[PlannedVariant]) -> set[int]:
    """The variants in which full batches of others run, by their indices."""
    shapes = [tuple(port.shape for port in each.inputs) for each in variants]
    full = [
        stacked(own, each.stream.batch)
        for each, own in zip(variants, shapes, strict=True)
        if each.stream is not None and each.stream.batch > 1
    ]
    return {index for index, own in enumerate(shapes) if own in full}


@dataclass(frozen=True, slots=True)
class PlanDocument:
    """Everything in `plan.json` but the schema and the list of members.

    `decoding` is what the entries of a decoder share; other models have the one entry `main`.
    """

    entries: Mapping[str, PlannedEntry]
    decoding: Decoding | None = None

    @property
    def held_bytes(self) -> int:
        """What a sequence holds beside its tokens, at the sizes that the plan was made for: each
        step reads it."""
        if self.decoding is None:
            return 0
        ports = self.entries[DECODE].variants[0].inputs
        held = {*self.decoding.held}
        return sum(
            Value(port.name, port.dtype, port.shape).size_bytes
            for port in ports
            if port.name in held
        )
