"""Two plans -> what runs elsewhere, and what that did to time, transfers and memory."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

from stagecut.compiler.ir.account import bytes_in
from stagecut.compiler.ir.plan import PlannedNode, PlannedVariant
from stagecut.compiler.ir.schedule import Run, Stage
from stagecut.compiler.report.model.figures import Figure
from stagecut.compiler.report.model.stages import figure

Unit: TypeAlias = Literal["bytes", ""]
Thing = TypeVar("Thing")

#: What the times of a plan as a whole are called.
WHOLE = "the whole plan"


@dataclass(frozen=True, slots=True)
class Move:
    """A node that runs elsewhere; `before` is None where only the second plan has it.

    `a + b` where the second plan has divided its operators between devices.
    """

    node: str
    op: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class PlannedTransfer:
    """A transfer that only one of the plans makes."""

    value: str
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class TimeChange:
    """A time of both plans, predicted or as the gate observed it."""

    what: str
    source: Literal["observed", "predicted"]
    before: Figure
    after: Figure


@dataclass(frozen=True, slots=True)
class AmountChange:
    """A size or, without a unit, a number of both plans."""

    what: str
    before: int
    after: int
    unit: Unit


@dataclass(frozen=True, slots=True)
class ErrorChange:
    """How far off the outputs of both plans are, as a part of what is right; None where that is
    not known."""

    what: str
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class Difference:
    """How the second plan differs from the first.

    `times` (the whole plan first, as observed where both were, then as predicted, its transfers,
    each device), `errors` and `amounts` tell both sides, whether they differ or not; the rest holds
    only what differs. `noise` says that both plans were observed and that the intervals within
    which their true medians lie with 95 % confidence overlap: the times cannot be told apart.
    `reordered` says that the same stages run in another order. `made_from` maps a fact about the
    model or the options to what the two plans say.
    """

    before: str
    after: str
    times: tuple[TimeChange, ...]
    noise: bool
    errors: tuple[ErrorChange, ...]
    amounts: tuple[AmountChange, ...]
    moves: tuple[Move, ...]
    stages_gone: tuple[Stage, ...]
    stages_new: tuple[Stage, ...]
    reordered: bool
    transfers_gone: tuple[PlannedTransfer, ...]
    transfers_new: tuple[PlannedTransfer, ...]
    made_from: Mapping[str, tuple[str, str]]

    @property
    def decided_otherwise(self) -> bool:
        """Whether anything runs elsewhere, or in other stages, or is transferred otherwise."""
        stages = self.stages_gone or self.stages_new or self.reordered
        return bool(self.moves or stages or self.transfers_gone or self.transfers_new)

    def differs(self, tolerance: float) -> bool:
        """Whether the plans differ in a decision, or in time by more than a part `tolerance` that
        is no noise."""
        whole = self.times[0]
        if self.noise:
            return self.decided_otherwise
        change_s = abs(whole.after.time_s - whole.before.time_s)
        return self.decided_otherwise or change_s > tolerance * whole.before.time_s


def compare(before: PlannedVariant, after: PlannedVariant) -> Difference:
    """What changed from `before` to `after`; operators and values are known by their names."""
    stages = [_stages(plan) for plan in (before, after)]
    transfers = [_transfers(plan) for plan in (before, after)]
    return Difference(
        before=before.name,
        after=after.name,
        times=tuple(_times(before, after)),
        noise=_overlap(before, after),
        errors=tuple(_errors(before, after)),
        amounts=tuple(_amounts(before, after)),
        moves=tuple(_moves(before, after)),
        stages_gone=_missing(*stages),
        stages_new=_missing(*reversed(stages)),
        reordered=[*stages[0]] != [*stages[1]] and stages[0].keys() == stages[1].keys(),
        transfers_gone=_missing(*transfers),
        transfers_new=_missing(*reversed(transfers)),
        made_from=_made_from(before, after),
    )


def _missing(some: Mapping[object, Thing], others: Mapping[object, Thing]) -> tuple[Thing, ...]:
    """What is in `some` only."""
    return tuple(thing for key, thing in some.items() if key not in others)


def _stages(plan: PlannedVariant) -> Mapping[object, Stage]:
    """By device and operators, as plans for other devices may have merged others into one node."""
    operators = {node.name: node.operators or (node.name,) for node in plan.nodes}

    def key(stage: Stage) -> object:
        return stage.device, tuple(each for node in stage.nodes for each in operators[node])

    return {key(stage): stage for stage in plan.schedule.stages}


def _transfers(plan: PlannedVariant) -> Mapping[object, PlannedTransfer]:
    return {step: PlannedTransfer(step.value, *step.route) for step in plan.schedule.transfers}


def _moves(before: PlannedVariant, after: PlannedVariant) -> Iterator[Move]:
    """By operator, too."""
    was, now = _devices(before), _devices(after)
    for node in before.nodes:
        here, there = before.schedule.device_of[node.name], _device(node, now)
        if there != here:
            yield Move(node.name, node.op, here, there)
    for node in after.nodes:
        if _device(node, was) is None:
            yield Move(node.name, node.op, None, after.schedule.device_of[node.name])


def _devices(plan: PlannedVariant) -> Mapping[str, str]:
    device_of = plan.schedule.device_of
    return {operator: device_of[node.name] for node in plan.nodes for operator in node.operators}


def _device(node: PlannedNode, devices: Mapping[str, str]) -> str | None:
    """Where a plan that places operators on `devices` runs those of `node`; None if it has not
    all of them."""
    if not all(operator in devices for operator in node.operators):
        return None
    return " + ".join(dict.fromkeys(devices[operator] for operator in node.operators))


def _times(before: PlannedVariant, after: PlannedVariant) -> Iterator[TimeChange]:
    plans = (before, after)
    if before.observed_s is not None and after.observed_s is not None:
        yield TimeChange(WHOLE, "observed", *map(_observed, plans))
    yield TimeChange(WHOLE, "predicted", *map(_predicted, plans))
    yield TimeChange("all transfers", "predicted", *(_total(plan, None) for plan in plans))
    for name in dict.fromkeys(device.name for plan in plans for device in plan.machine.devices):
        yield TimeChange(name, "predicted", *(_total(plan, name) for plan in plans))


def _overlap(before: PlannedVariant, after: PlannedVariant) -> bool:
    """Of intervals that are known; one without a width would hold all other times for changes."""
    if before.observed_s is None or after.observed_s is None:
        return False
    old, new = before.shipped, after.shipped
    return max(old.low_s, new.low_s) <= min(old.high_s, new.high_s)


def _observed(plan: PlannedVariant) -> Figure:
    return Figure(plan.shipped.median_s, plan.shipped.basis)


def _predicted(plan: PlannedVariant) -> Figure:
    stream = plan.stream
    if stream is not None:
        return Figure(stream.period_s, stream.basis)
    return Figure(plan.account.latency_s, plan.account.basis)


def _total(plan: PlannedVariant, device: str | None) -> Figure:
    """What all stages on a device take; without one, all transfers."""
    steps, stages = plan.schedule.steps, plan.schedule.stages
    return Figure.total(
        figure(cost)
        for step, cost in zip(steps, plan.account.steps, strict=True)
        if device == (stages[step.stage].device if isinstance(step, Run) else None)
    )


def _errors(before: PlannedVariant, after: PlannedVariant) -> Iterator[ErrorChange]:
    old, new = _off_by(before), _off_by(after)
    for what in old:
        yield ErrorChange(what, old[what], new[what])


def _off_by(plan: PlannedVariant) -> Mapping[str, float | None]:
    own = plan.precision and plan.precision.of(plan.shipped.name)
    return {
        "largest error": None if plan.checks is None else plan.checks.worst,
        "rms error, held out": own.measured if own else None,
        "rms error, predicted": own.predicted if own else None,
    }


def _amounts(before: PlannedVariant, after: PlannedVariant) -> Iterator[AmountChange]:
    old, new = _counts(before), _counts(after)
    for what, unit in dict.fromkeys((*old, *new)):
        yield AmountChange(what, old.get((what, unit), 0), new.get((what, unit), 0), unit)


def _counts(plan: PlannedVariant) -> Mapping[tuple[str, Unit], int]:
    uses, memories = plan.account.uses, plan.machine.memories
    return {
        ("nodes", ""): len(plan.nodes),
        ("stages", ""): len(plan.schedule.stages),
        ("transfers", ""): sum(1 for _ in plan.schedule.transfers),
        ("transferred", "bytes"): sum(cost.size_bytes for cost in plan.account.steps),
        **{
            (f"weights in {memory.name}", "bytes"): round(uses.get(bytes_in(memory.name), 0.0))
            for memory in memories
        },
    }


def _made_from(before: PlannedVariant, after: PlannedVariant) -> Mapping[str, tuple[str, str]]:
    old, new = _facts(before), _facts(after)
    both = {fact: (old.get(fact, ""), new.get(fact, "")) for fact in {**old, **new}}
    return {fact: (was, now) for fact, (was, now) in both.items() if was != now}


def _facts(plan: PlannedVariant) -> Mapping[str, str]:
    origin = plan.provenance
    return {
        "model": origin.model,
        "model SHA-256": origin.model_sha256,
        "objective": plan.objective,
        "shipped plan": plan.shipped.name,
        "processor": f"{origin.cpu}, {origin.threads} threads",
        "stagecut": origin.stagecut,
        **{f"device {name}": spec for name, spec in origin.devices.items()},
        **{f"option {name}": text for name, text in origin.options.items()},
        **{f"version of {name}": text for name, text in origin.versions.items()},
    }
