"""What a plan says about itself: the data of `plan.json`, schema `stagecut.plan/1`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from stagecut.compiler.ir.assignment import Certificate
from stagecut.compiler.ir.graph import Dims
from stagecut.compiler.ir.machine import Basis, Machine
from stagecut.compiler.ir.trace import Trace

#: How a contender's figure was found: timed on this machine, or added up from a cost table.
Accounting: TypeAlias = Literal["measured", "predicted"]

SCHEMA = "stagecut.plan/1"

#: The contender that is the optimum of the costs, unless it is one device alone.
OPTIMUM = "optimum"


@dataclass(frozen=True, slots=True)
class Port:
    """A tensor at a border: of the plan, or of a stage.

    `shape` is the profiled one. `dims` are what the model declares, with a name or "?" for each
    dimension that it leaves open; empty where it leaves none open.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    dims: Dims = field(default=(), kw_only=True)


@dataclass(frozen=True, slots=True)
class InputPort(Port):
    """An input of the plan; `low` and `high` are the range of the values it was profiled with.

    `value` is what stages call it where the model hands it back, too; empty elsewhere.
    """

    low: float = 0.0
    high: float = 1.0
    value: str = ""

    @property
    def inside(self) -> str:
        """Its name in the stages."""
        return self.value or self.name


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """Consecutive nodes on one device; `file` is the archive member with its ONNX model.

    `predicted_s` is what its nodes take, without what starting it costs: its device's `stage_s`.
    `load_s` is what loading the weights into a modelled device's memory takes, once, before the
    first run; it is in no other figure. `as_built_s` is what the gate measured for the stage as a
    whole, which engines may have fused; None where it was not run.
    """

    index: int
    device: str
    file: str
    nodes: tuple[str, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    predicted_s: float
    basis: Basis
    energy_j: float | None = None
    load_s: float = 0.0
    as_built_s: float | None = None


@dataclass(frozen=True, slots=True)
class PlannedCopy:
    """A value that is moved between memories."""

    value: str
    source: str
    target: str
    size_bytes: int
    move_s: float
    basis: Basis


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """A node, where it runs and why: its cost on every device, or why it cannot run there.

    `totals` is what the best plan would cost with the node on each device and all others wherever
    is then best, in the objective's unit; a device is left out where no such plan is known.
    """

    name: str
    op: str
    device: str
    stage: int
    operators: tuple[str, ...]
    flops: int
    weight_bytes: int
    run_s: Mapping[str, float]
    refusals: Mapping[str, str]
    totals: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Contender:
    """A plan that was compared end to end; the fastest one ships (`chosen`), and `why` says why.

    The true median lies between `low_s` and `high_s` with 95 % confidence; `unrest` says what is
    odd about the runs, and is empty where nothing is.
    `stage_s` are the medians of its stages, without copies; empty when it was only predicted.
    `energy_j` is always predicted, None where not all of it is known. `trace` is its run of median
    length, kept of the chosen one only.
    """

    name: str
    stages: int
    median_s: float
    min_s: float
    max_s: float
    runs: int
    basis: Basis
    accounting: Accounting
    chosen: bool
    stage_s: tuple[float, ...] = ()
    energy_j: float | None = None
    trace: Trace | None = None
    low_s: float = 0.0
    high_s: float = 0.0
    why: str = ""
    unrest: str = ""


@dataclass(frozen=True, slots=True)
class OutputError:
    """How far an output is from the whole model's in its own precision, on the sample inputs.

    `max_abs` is the largest difference, `relative` that over the largest number of the reference,
    `cosine` of the angle between the two, None where one is all zeros.
    """

    name: str
    max_abs: float
    relative: float
    cosine: float | None


@dataclass(frozen=True, slots=True)
class ProfilePath:
    """One complete assignment that was run to measure, and what for."""

    name: str
    reason: str
    runs: int
    devices: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a plan comes from. Paths and times of day are left out: same inputs, same bytes.

    `devices` maps each device's name to the text it was asked for with (`pim.hbm:channels=64`).
    """

    stagecut: str
    model: str
    model_sha256: str
    cpu: str
    threads: int
    versions: Mapping[str, str]
    devices: Mapping[str, str]
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything in `plan.json` but the schema and the list of members.

    `predicted_s` counts the stages as they are; the certificate's total has the nodes run in the
    graph's order, which may start more of them. `predicted_j` is None where an energy is not known.
    `workarounds` tell what engines failed to do while the plan was made. `fallback` are the stages
    of the best contender that needs nothing but ONNX Runtime, where the plan itself needs more.
    `as_built_s` is what the gate measured for the whole plan, None where it was not run.
    """

    name: str
    objective: str
    predicted_s: float
    basis: Basis
    machine: Machine
    inputs: tuple[InputPort, ...]
    outputs: tuple[Port, ...]
    stages: tuple[PlannedStage, ...]
    nodes: tuple[PlannedNode, ...]
    copies: tuple[PlannedCopy, ...]
    contenders: tuple[Contender, ...]
    profile_paths: tuple[ProfilePath, ...]
    certificate: Certificate
    method: str
    provenance: Provenance
    predicted_j: float | None = None
    accuracy: tuple[OutputError, ...] = ()
    workarounds: tuple[str, ...] = ()
    fallback: tuple[PlannedStage, ...] = ()
    as_built_s: float | None = None

    @property
    def profiled(self) -> str:
        """The shapes that the plan was profiled with, as `ids 1x128, mask 1x128`."""
        return shape_text({port.name: port.shape for port in self.inputs})


def shape_text(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """`{"ids": (1, 128)}` -> `ids 1x128`."""
    return ", ".join(
        f"{name} {'x'.join(map(str, shape)) if shape else 'scalar'}"
        for name, shape in shapes.items()
    )
