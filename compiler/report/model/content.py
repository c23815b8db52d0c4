"""What a report says: one frozen value from which terminal, page and JSON are rendered."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from stagecut.compiler.ir.machine import Basis
from stagecut.compiler.ir.plan import Contender, Port, ProfilePath, Provenance


@dataclass(frozen=True, slots=True)
class Figure:
    """A time and how it came to be; kept together, so that no modelled time passes as measured."""

    time_s: float
    basis: Basis

    @classmethod
    def total(cls, figures: Iterable["Figure"]) -> "Figure":
        """Their sum; modelled as soon as one of them is."""
        parts = tuple(figures)
        modelled = any(part.basis == "modelled" for part in parts)
        time_s = math.fsum(part.time_s for part in parts)
        return cls(time_s, "modelled" if modelled else "measured")


@dataclass(frozen=True, slots=True)
class Observation:
    """The plan's time end to end: of one traced run, or the median of the gate's runs."""

    total: Figure
    source: Literal["trace", "gate"]
    min_s: float
    max_s: float
    runs: int


@dataclass(frozen=True, slots=True)
class Rival:
    """The fastest plan on one device alone; `ratio` is its time over that of this plan."""

    device: str
    total: Figure
    ratio: float


@dataclass(frozen=True, slots=True)
class Proof:
    """The certificate, in the objective's unit: no assignment costs less than `lower_bound`.

    `gap` is the part of the total that might still be saved.
    """

    method: str
    total: float
    lower_bound: float
    gap: float
    exact: bool
    width: int | None


@dataclass(frozen=True, slots=True)
class Overruled:
    """The optimum of the costs where the gate found this plan to be faster than it."""

    predicted: Figure
    observed: Figure


@dataclass(frozen=True, slots=True)
class Summary:
    """The answer at a glance.

    `off_by` is the median of how far measured stages were off their prediction, as a fraction.
    `energy_j` is that of a run, copies included; it is always modelled, and None unless all of it
    is known. `load_s` is what loading weights into modelled memories takes, once, before any run.
    """

    model: str
    objective: str
    method: str
    predicted: Figure
    observed: Observation | None
    off_by: float | None
    rival: Rival | None
    proof: Proof
    overruled: Overruled | None
    nodes: int
    stages: int
    copies: int
    copied_bytes: int
    energy_j: float | None
    load_s: float
    profile_paths: int
    profile_runs: int


@dataclass(frozen=True, slots=True)
class Share:
    """A part of the predicted total: all stages on a device, or all copies over a link."""

    name: str
    kind: Literal["stage", "copy"]
    time: Figure
    share: float


@dataclass(frozen=True, slots=True)
class EnergyShare:
    """A part of the energy of a run: all stages on a device, or all copies; always modelled."""

    name: str
    kind: Literal["stage", "copy"]
    energy_j: float
    share: float


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
    `capable` counts the nodes that it can run; `alone` is the predicted time of the whole model
    on it, None where it cannot run all of it.
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
    alone: Figure | None


@dataclass(frozen=True, slots=True)
class StageRow:
    """Consecutive nodes on one device.

    `predicted` is what the nodes take and the start costs, `share` its part of the whole plan.
    """

    index: int
    device: str
    nodes: tuple[str, ...]
    predicted: Figure
    observed: Figure | None
    share: float
    copies_in: int
    copied_in_bytes: int
    energy_j: float | None


@dataclass(frozen=True, slots=True)
class Option:
    """A node on one of the devices.

    `extra_s` is what the whole plan would gain in time if this node ran here, copies and stage
    starts included: 0 where it does run, None where it cannot. With `rearranged`, all other nodes
    are wherever is then best; without, they stay where they are. `doubtful` says that this is less
    than the times it rests on vary: half the distance between their quartiles.
    """

    device: str
    run: Figure | None
    reason: str
    extra_s: float | None
    quartiles_s: tuple[float, float] | None
    doubtful: bool = False
    rearranged: bool = False

    @property
    def flips_at(self) -> float | None:
        """How many times as fast the device has to run this node to win it; None if none helps."""
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
    """All nodes of one operator on one device: those that could run there, and those that do."""

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
    """A value moved between memories, before stage `before`; None where it leaves the plan."""

    value: str
    source: str
    target: str
    size_bytes: int
    before: int | None
    predicted: Figure
    observed: Figure | None


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time on one lane: a stage on its device, or a copy on `source>target`."""

    name: str
    kind: Literal["stage", "copy"]
    lane: str
    stage: int
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
class OutputRow:
    """How far an output is from the whole model's; None where it is no number and that is one.

    `relative` is the largest difference as a part of the largest number of the reference.
    """

    name: str
    max_abs: float | None
    relative: float | None
    cosine: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a report says, most important first.

    `workarounds` tell what engines failed to do; `fallback_stages` is how many stages the plan has
    where an engine is missing, 0 where it needs none or cannot do without.
    """

    summary: Summary
    shares: tuple[Share, ...]
    energy: tuple[EnergyShare, ...]
    devices: tuple[DeviceRow, ...]
    stages: tuple[StageRow, ...]
    predicted_spans: tuple[Span, ...]
    observed_spans: tuple[Span, ...]
    close_calls: tuple[Call, ...]
    operators: tuple[OperatorRow, ...]
    nodes: tuple[NodeRow, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    transfers: tuple[TransferRow, ...]
    contenders: tuple[Contender, ...]
    profile_paths: tuple[ProfilePath, ...]
    accuracy: tuple[OutputRow, ...]
    workarounds: tuple[str, ...]
    fallback_stages: int
    provenance: Provenance
