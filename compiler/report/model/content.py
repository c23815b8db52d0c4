"""What a report says: one frozen value from which terminal, page and JSON are rendered."""

from dataclasses import dataclass
from typing import Literal

from stagecut.compiler.ir.checks import Checks
from stagecut.compiler.ir.costs import Endpoint
from stagecut.compiler.ir.hosts_stream import Load, Place
from stagecut.compiler.ir.plan import MAIN, OverLink, WeightSizes
from stagecut.compiler.ir.planned_stream import FrontPoint
from stagecut.compiler.ir.port import Port
from stagecut.compiler.ir.precision import PlannedPrecision
from stagecut.compiler.ir.provenance import Circumstances, ProfilePath, Provenance
from stagecut.compiler.ir.solution import Certificate, Scope
from stagecut.compiler.ir.stream import Hosting
from stagecut.compiler.ir.stream_trace import StreamObserved
from stagecut.compiler.report.model.figures import Alone, Figure, Observation
from stagecut.compiler.report.model.rows import (
    Call,
    ContenderRow,
    DeviceRow,
    EntryRow,
    NodeRow,
    OperatorRow,
    OutputRow,
    Span,
    StageRow,
    TransferRow,
)


@dataclass(frozen=True, slots=True)
class Rival:
    """The fastest plan on one device alone; `ratio` is its time over that of this plan.

    `name` is the device's, with its configuration where that is not the usual one.
    """

    name: str
    alone: Alone
    ratio: float


@dataclass(frozen=True, slots=True)
class Shipped:
    """Which contender the plan is.

    `is_optimum` says whether it is the optimum of the costs, `single_device` is the device that
    everything runs on, if it is one; a plan may be both.
    """

    kind: str
    device: str
    name: str
    is_optimum: bool
    single_device: str | None


@dataclass(frozen=True, slots=True)
class Proof:
    """The certificate of the optimum of the costs, which need not be what ships.

    In the objective's unit: no schedule costs less than `lower_bound`; `gap` is the part of the
    total that might still be saved. `scope` is what is proved about, `claim` says it in words.
    """

    method: str
    total: float
    lower_bound: float
    gap: float
    exact: bool
    scope: Scope
    claim: str
    width: int | None


@dataclass(frozen=True, slots=True)
class Overruled:
    """The optimum of the costs, where the gate ships another plan; None where it was not run."""

    predicted: Figure | None
    observed: Observation | None
    energy_j: float | None


@dataclass(frozen=True, slots=True)
class Streaming:
    """How inputs stream through the plan, where it was made for that.

    `replicas` are those of each stage with its device; up to so many of `batches` are run in a
    call of each.
    `latency` is what an input takes from end to end while `in_flight` of them are in the stream, as
    many as there may be, by the period that was observed, or else by the costs. `busy` is the part
    of the time that each stage is at work. `reason` says why a pipeline, or replicas, let more
    through than what else took part; `another` is the fastest stream with one more core, where it
    is faster, and `front` are other streams of less latency, all of them by the costs. `hosting`
    says where replicas run, `tried` what was seen of several inputs in one call. Of
    `candidates`, the stages on devices that might have been chosen, so many were `measured` in a
    stream. Over several hosts, `places` are those of each stage, `loads` how busy links and the
    driver are, and `loaded_factors` how many times as long nodes are taken to take on each host
    that works as they would while the others rest. `observed` is what a stream came to that was
    traced.
    """

    replicas: tuple[tuple[int, str], ...]
    batches: tuple[int, ...]
    latency: Figure
    busy: tuple[float, ...]
    reason: str
    another: FrontPoint | None
    front: tuple[FrontPoint, ...]
    hosting: Hosting
    tried: tuple[str, ...]
    in_flight: int
    measured: int
    candidates: int
    places: tuple[tuple[Place, ...], ...]
    loads: tuple[Load, ...]
    observed: StreamObserved | None = None
    loaded_factors: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """The answer at a glance.

    `predicted` is the sum of the costs; where inputs stream (`streaming`), it is the time from one
    input to the next, and so are all others that it is compared with. With a trace, `as_built` is
    what the gate measured for the whole plan, which predicts a run better than the times of single
    nodes. `off_by` is the median,
    over measured stages, of how far the observed time was off the one it is compared with, as a
    fraction. `energy_j` is that of a run, transfers included; it is always modelled, and None where
    some of it is not known, or where it is 0.
    `load_s` is what loading weights into modelled memories takes, once, before any run.
    """

    model: str
    objective: str
    shipped: Shipped
    observed: Observation | None
    predicted: Figure
    as_built: Figure | None
    off_by: float | None
    rival: Rival | None
    certificate: Proof
    overruled: Overruled | None
    nodes: int
    stages: int
    transfers: int
    transferred_bytes: int
    energy_j: float | None
    load_s: float
    profile_paths: int
    profile_runs: int
    streaming: Streaming | None = None

    @property
    def foretold(self) -> Figure:
        """What an observed time is compared with."""
        return self.as_built or self.predicted


@dataclass(frozen=True, slots=True)
class Share:
    """A part of the predicted total: all stages on a device, or all transfers along a route."""

    name: str
    kind: Literal["stage", "transfer"]
    time: Figure
    share: float


@dataclass(frozen=True, slots=True)
class EnergyShare:
    """A part of the energy of a run: all stages on a device, or all transfers; always modelled."""

    name: str
    kind: Literal["stage", "transfer"]
    energy_j: float
    share: float


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a report says, most important first.

    `other_variants` are the shapes of the plan's variants that are not reported on. `ends` are the
    memories in which outputs must be in the end. `workarounds` tell what engines
    failed to do, or did wrong. `checks` is None where there was nothing to compare outputs with,
    and `circumstances` are empty where nothing was measured. `fallback_stages` is how many stages
    the plan has where an engine is missing, 0 where it needs none or cannot do without.
    `precision` is None where errors were no budget. `over_links` are values that hosts no longer
    hand to each other as they are, and `rewrites` is what is proved of all that might be done so.
    `weights` are those of the whole plan; None where all are in full precision. `entry` is the way
    into the model that is reported on, and `entries` are all of a decoder's, what a token takes
    first.
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
    other_variants: tuple[str, ...]
    outputs: tuple[Port, ...]
    ends: tuple[Endpoint, ...]
    transfers: tuple[TransferRow, ...]
    contenders: tuple[ContenderRow, ...]
    profile_paths: tuple[ProfilePath, ...]
    accuracy: tuple[OutputRow, ...]
    checks: Checks | None
    circumstances: tuple[Circumstances, ...]
    workarounds: tuple[str, ...]
    fallback_stages: int
    provenance: Provenance
    precision: PlannedPrecision | None = None
    over_links: tuple[OverLink, ...] = ()
    rewrites: Certificate | None = None
    weights: WeightSizes | None = None
    entry: str = MAIN
    entries: tuple[EntryRow, ...] = ()
