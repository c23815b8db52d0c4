"""The rows of a report's tables: devices, stages, nodes, transfers, contenders, outputs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from stagecut.compiler.ir.contender import Accounting
from stagecut.compiler.ir.machine import Basis
from stagecut.compiler.report.model.figures import Alone, Figure

#: What happens to all other nodes when one is thought of as running elsewhere.
Others: TypeAlias = Literal["stay", "best", "best in the graph's order"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reason why a device cannot run something, and how many nodes it holds for."""

    reason: str
    nodes: int


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A device: what it was given, and what kept the rest away.

    `flops` are those of the nodes that it was given; `weight_bytes` is what their weights take in
    its memory, in its number format and with padding.
    `capable` counts the nodes that it can run; `alone` is the time of the whole model on it, None
    where it cannot run all of it.
    """

    name: str
    memory: str
    basis: Basis
    description: str
    spec: str
    nodes: int
    stages: int
    run: Figure
    flops: int
    weight_bytes: int
    peak_flop_per_s: float | None
    peak_bytes_per_s: float | None
    capable: int
    refusals: tuple[Refusal, ...]
    alone: Alone | None


@dataclass(frozen=True, slots=True)
class StageRow:
    """Nodes that run as one program on one device.

    `predicted` is what the nodes take and the start costs, `share` its part of the whole plan.
    With a trace, `as_built` is what the gate measured for the stage. `utilisation` is the part of
    the device's peak to which the nodes' floating-point work comes in the predicted time, None
    where no peak is known.
    """

    index: int
    device: str
    nodes: tuple[str, ...]
    predicted: Figure
    as_built: Figure | None
    observed: Figure | None
    share: float
    transfers_in: int
    transferred_in_bytes: int
    energy_j: float | None
    utilisation: float | None

    @property
    def foretold(self) -> Figure:
        """What the observed time is compared with."""
        return self.as_built or self.predicted


@dataclass(frozen=True, slots=True)
class Option:
    """A node on one of the devices.

    `extra_s` is the added time of the whole plan if this node ran here, transfers and stage starts
    included: 0 where it does run, None where it cannot. `others` says what becomes of all other
    nodes. `doubtful` says that this is within the noise of the times that it is made from: less
    than half the distances between their quartiles.
    """

    device: str
    run: Figure | None
    reason: str
    extra_s: float | None
    quartiles_s: tuple[float, float] | None
    doubtful: bool = False
    others: Others = "stay"

    @property
    def flips_at(self) -> float | None:
        """How many times as fast the device has to run this node to be given it; None where it
        would not be if it took no time."""
        if self.run is None or self.extra_s is None or self.extra_s >= self.run.time_s:
            return None
        return self.run.time_s / (self.run.time_s - self.extra_s)


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node, where it runs, and its options in the machine's order of devices.

    `touched_bytes` are its weights, inputs and outputs, each counted once.
    """

    name: str
    op: str
    device: str
    stage: int
    operators: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    flops: int
    weight_bytes: int
    touched_bytes: int
    run: Figure
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class OperatorOn:
    """All nodes of one operator on one device: those that can run there, and those that do."""

    device: str
    capable: int
    capable_time: Figure
    placed: int
    placed_time: Figure


@dataclass(frozen=True, slots=True)
class OperatorRow:
    """An operator type; `run` is what its nodes take where they are placed."""

    op: str
    nodes: int
    run: Figure
    devices: tuple[OperatorOn, ...]


@dataclass(frozen=True, slots=True)
class TransferRow:
    """A value that changes memory, before stage `before`; None where it leaves the plan."""

    value: str
    source: str
    target: str
    size_bytes: int
    before: int | None
    predicted: Figure
    observed: Figure | None


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time on one lane: stage `stage` on its device, or a transfer on `source>target`.

    `stage` is None for a transfer.
    """

    name: str
    kind: Literal["stage", "transfer"]
    lane: str
    stage: int | None
    start_s: float
    time: Figure


@dataclass(frozen=True, slots=True)
class Call:
    """A close decision: `node` could run on `option.device` instead of `device` for little extra.

    It stands for all `nodes` of its operator that face this choice; it is the closest of them.
    """

    node: str
    op: str
    nodes: int
    device: str
    option: Option


@dataclass(frozen=True, slots=True)
class EntryRow:
    """A schedule of an entry of a decoder's plan, measured with `sizes`, in words: what a run takes
    by the costs and, where the gate has run it, by the clock; how many nodes are on each device.
    `gap` is the part of the costs' optimum that might still be saved."""

    entry: str
    sizes: str
    predicted: Figure
    observed: Figure | None
    devices: Mapping[str, int]
    stages: int
    gap: float


@dataclass(frozen=True, slots=True)
class ContenderRow:
    """A plan that was compared end to end; the best one ships (`chosen`), and `why` says why.

    `also` are the names of the other contenders that are this same plan. The true median lies
    between `low_s` and `high_s` with 95 % confidence; `noise` says what is odd about the runs.
    With accounting "predicted" it was added up from the costs, and never run. `energy_j` is always
    predicted, `cpu_s` the processor time of a run; None where they are not known. `elsewhere` says
    what the device that comes first cannot run, and leaves to others.
    """

    kind: str
    device: str
    name: str
    also: tuple[str, ...]
    chosen: bool
    is_optimum: bool
    stages: int
    basis: Basis
    accounting: Accounting
    median_s: float
    low_s: float
    high_s: float
    min_s: float
    max_s: float
    runs: int
    predicted_s: float
    energy_j: float | None
    cpu_s: float | None
    why: str
    noise: str
    elsewhere: str = ""


@dataclass(frozen=True, slots=True)
class OutputRow:
    """How far an output is from the whole model's; None where it is no number and that is one.

    `relative` is the largest difference as a part of the largest number of the reference.
    """

    name: str
    max_abs: float | None
    relative: float | None
    cosine: float | None
