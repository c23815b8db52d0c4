"""Two plans -> what moved, and what that did to time, copies and memory."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from stagecut.compiler.ir.plan import Manifest, PlannedNode
from stagecut.compiler.report.model.account import stage_times
from stagecut.compiler.report.model.content import Figure

Unit: TypeAlias = Literal["bytes", ""]


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
class TimeChange:
    """A time of both plans."""

    what: str
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
class Difference:
    """How the second plan differs from the first.

    `times` (the whole plan first, then its copies and each device) and `amounts` tell both sides,
    whether they differ or not; the rest holds only what differs. Copies are named
    `value: source>target`; `made_from` maps a fact about the model or the options to what the two
    plans say.
    """

    before: str
    after: str
    times: tuple[TimeChange, ...]
    amounts: tuple[AmountChange, ...]
    moves: tuple[Move, ...]
    copies_gone: tuple[str, ...]
    copies_new: tuple[str, ...]
    made_from: Mapping[str, tuple[str, str]]

    @property
    def decided_otherwise(self) -> bool:
        """Whether anything runs elsewhere, or moves otherwise."""
        stages = next(amount for amount in self.amounts if amount.what == "stages")
        restaged = stages.before != stages.after
        return bool(self.moves or self.copies_gone or self.copies_new or restaged)

    def differs(self, tolerance: float) -> bool:
        """Whether the plans differ in a decision, or in time by more than a part `tolerance`."""
        whole = self.times[0]
        change_s = abs(whole.after.time_s - whole.before.time_s)
        return self.decided_otherwise or change_s > tolerance * whole.before.time_s


def compare(before: Manifest, after: Manifest) -> Difference:
    """What changed from `before` to `after`; operators and values are known by their names."""
    copies = [
        [f"{copy.value}: {copy.source}>{copy.target}" for copy in plan.copies]
        for plan in (before, after)
    ]
    return Difference(
        before=before.name,
        after=after.name,
        times=tuple(_times(before, after)),
        amounts=tuple(_amounts(before, after)),
        moves=tuple(_moves(before, after)),
        copies_gone=tuple(copy for copy in copies[0] if copy not in set(copies[1])),
        copies_new=tuple(copy for copy in copies[1] if copy not in set(copies[0])),
        made_from=_made_from(before, after),
    )


def _moves(before: Manifest, after: Manifest) -> Iterable[Move]:
    """By operator, as plans for other devices may have merged others into one node."""
    was, now = _devices(before), _devices(after)
    for node in before.nodes:
        place = _device(node, now)
        if place != node.device:
            yield Move(node.name, node.op, node.device, place)
    for node in after.nodes:
        if _device(node, was) is None:
            yield Move(node.name, node.op, None, node.device)


def _devices(plan: Manifest) -> Mapping[str, str]:
    return {operator: node.device for node in plan.nodes for operator in node.operators}


def _device(node: PlannedNode, devices: Mapping[str, str]) -> str | None:
    """Where a plan that places operators on `devices` runs those of `node`; None if it has not
    all of them."""
    if not all(operator in devices for operator in node.operators):
        return None
    return " + ".join(dict.fromkeys(devices[operator] for operator in node.operators))


def _times(before: Manifest, after: Manifest) -> Iterable[TimeChange]:
    plans = (before, after)
    yield TimeChange("the whole plan", *(Figure(plan.predicted_s, plan.basis) for plan in plans))
    yield TimeChange("all copies", *map(_copies_time, plans))
    for name in dict.fromkeys(device.name for plan in plans for device in plan.machine.devices):
        yield TimeChange(name, *(_device_time(plan, name) for plan in plans))


def _copies_time(plan: Manifest) -> Figure:
    return Figure.total(Figure(copy.move_s, copy.basis) for copy in plan.copies)


def _device_time(plan: Manifest, device: str) -> Figure:
    pairs = zip(plan.stages, stage_times(plan), strict=True)
    return Figure.total(time for stage, time in pairs if stage.device == device)


def _amounts(before: Manifest, after: Manifest) -> Iterable[AmountChange]:
    for what, unit, count in _COUNTS:
        yield AmountChange(what, count(before), count(after), unit)
    memories = dict.fromkeys(m.name for plan in (before, after) for m in plan.machine.memories)
    for memory in memories:
        old, new = _weight_bytes(before, memory), _weight_bytes(after, memory)
        yield AmountChange(f"weights in {memory}", old, new, "bytes")


_COUNTS: tuple[tuple[str, Unit, Callable[[Manifest], int]], ...] = (
    ("nodes", "", lambda plan: len(plan.nodes)),
    ("stages", "", lambda plan: len(plan.stages)),
    ("copies", "", lambda plan: len(plan.copies)),
    ("copied", "bytes", lambda plan: sum(copy.size_bytes for copy in plan.copies)),
)


def _weight_bytes(plan: Manifest, memory: str) -> int:
    inside = {device.name for device in plan.machine.devices if device.memory == memory}
    return sum(node.weight_bytes for node in plan.nodes if node.device in inside)


def _made_from(before: Manifest, after: Manifest) -> Mapping[str, tuple[str, str]]:
    old, new = _facts(before), _facts(after)
    both = {fact: (old.get(fact, ""), new.get(fact, "")) for fact in {**old, **new}}
    return {fact: (was, now) for fact, (was, now) in both.items() if was != now}


def _facts(plan: Manifest) -> Mapping[str, str]:
    origin = plan.provenance
    return {
        "model": origin.model,
        "model SHA-256": origin.model_sha256,
        "objective": plan.objective,
        "shipped plan": plan.method,
        "processor": f"{origin.cpu}, {origin.threads} threads",
        "stagecut": origin.stagecut,
        **{f"device {name}": spec for name, spec in origin.devices.items()},
        **{f"option {name}": text for name, text in origin.options.items()},
        **{f"version of {name}": text for name, text in origin.versions.items()},
    }
