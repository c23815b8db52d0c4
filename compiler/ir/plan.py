"""What a plan says about itself: the data of `plan.json`, schema `stagecut.plan/2`.

Plan document -> entries ("main"; or "prefill", "decode") -> variants, one for each profiled shape
  variant -> schedule, account, certificate; stages (the programs); nodes; contenders
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from stagecut.compiler.ir.account import Account
from stagecut.compiler.ir.along_length import AlongLength
from stagecut.compiler.ir.amounts import Amount, Positive, Size
from stagecut.compiler.ir.checks import Checks, OutputDifference
from stagecut.compiler.ir.contender import Contender
from stagecut.compiler.ir.graph import Value
from stagecut.compiler.ir.machine import Machine
from stagecut.compiler.ir.planned_stream import PlannedStream
from stagecut.compiler.ir.port import InputPort, Port
from stagecut.compiler.ir.precision import PlannedPrecision, SharedBudget
from stagecut.compiler.ir.provenance import Circumstances, ProfilePath, Provenance
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.ir.solution import Certificate
from stagecut.compiler.ir.state import DECODE, Decoding
from stagecut.compiler.ir.text import shape_text

SCHEMA = "stagecut.plan/2"

#: The entry of a model that has one way in.
MAIN = "main"


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
    """A schedule, what it costs, and the programs of its stages. `homes` are as in StagedSchedule:
    of a decoder, the states that lie in a memory other than the host's."""

    schedule: Schedule
    account: Account
    stages: tuple[PlannedStage, ...]
    homes: Mapping[str, str] = field(default_factory=dict)


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


@dataclass(frozen=True, slots=True)
class OverLink:
    """A value of the model that took `sent_s` from host to host, and takes less now: it is `run
    again` on the other one, or goes there as `fp16` or `int8`. `taken_s` is what that was expected
    to take, and `error` the relative rms error at the outputs that it alone causes."""

    value: str
    how: Literal["run again", "fp16", "int8"]
    sent_s: Amount
    taken_s: Amount
    error: Amount


@dataclass(frozen=True, slots=True)
class PlannedVariant:
    """A schedule for one shape of an entry, and everything that is known about it.

    `certificate` is about the optimum of the costs, which need not be what ships: `shipped` says.
    `workarounds` tell what engines failed to do, or did wrong, while the plan was made. `checks`
    are None where there was nothing to compare outputs with. `fallback` is the best contender that
    needs nothing but ONNX Runtime, where the plan itself needs more. `circumstances` has an entry
    for all that was measured. Without a `stream`, a stream has one replica of each stage.
    `precision` is None where errors were no budget. `over_links` are values that would have gone
    from host to host as they are, in a plan that was worse; `rewrites` is about whatever else might
    be done so, None where nothing is proved of it.
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
    over_links: tuple[OverLink, ...] = ()
    rewrites: Certificate | None = None

    @property
    def runs(self) -> tuple[PlannedRun, ...]:
        """What ships, and the fallback, where there is one."""
        return (self.run,) if self.fallback is None else (self.run, self.fallback)

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
    compiled: constants of the plan. `along_length` is known of a decoder's step, where costs were
    profiled at several lengths. Where such a step has several variants, for lengths, `switches` are
    those from which on each but the first runs.
    """

    variants: tuple[PlannedVariant, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()
    along_length: AlongLength | None = None
    switches: tuple[Positive, ...] = ()


@dataclass(frozen=True, slots=True)
class WeightSizes:
    """What the large weights of a plan take in its file, each once, and what they would in the
    model's own precision."""

    stored_bytes: int
    full_bytes: int


@dataclass(frozen=True, slots=True)
class PlanDocument:
    """Everything in `plan.json` but the schema and the list of members.

    `decoding` is what the entries of a decoder share; other models have the one entry `main`.
    `full_weight_bytes` is what the model's large weights would take in its own precision, each
    once; None where all are in that. `budget` is of errors, where entries share one.
    """

    entries: Mapping[str, PlannedEntry]
    decoding: Decoding | None = None
    full_weight_bytes: Size | None = None
    budget: SharedBudget | None = None

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
