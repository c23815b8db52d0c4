"""`stagecut compile --dry-run`: what each device takes, what it refuses and why, and how long
compiling would take; nothing of the model is run."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from stagecut.compiler.context import Effort
from stagecut.compiler.effort import GATE_ROUNDS, PROFILE_ROUNDS, STREAM_ROUNDS
from stagecut.compiler.expected_time import ExpectedTime, expected_time
from stagecut.compiler.ir.plan import MAIN
from stagecut.compiler.ir.text import shape_text
from stagecut.compiler.ir.units import seconds
from stagecut.compiler.rehearsal import Rehearsal, Rehearsed
from stagecut.compiler.report import wording
from stagecut.passes.profile.rounds import Rounds

#: So many reasons of a device are told.
_REASONS = 4


@dataclass(frozen=True, slots=True)
class Foreseen:
    """`rounds` say how often what is measured would run: none where costs are handed in. `time` is
    None where nothing would be measured, or where it is not known, and `unknown` says why."""

    rehearsal: Rehearsal
    rounds: Mapping[str, Rounds]
    time: ExpectedTime | None
    unknown: str

    def document(self) -> dict[str, object]:
        return {
            "variants": [_document(each, self.rounds) for each in self.rehearsal.parts],
            "rounds": {
                what: {"least": each.least, "most": each.most, "budget_s": each.budget_s}
                for what, each in self.rounds.items()
            },
            "expected": None if self.time is None else _time_document(self.time),
        }

    def lines(self) -> Iterator[str]:
        for each in self.rehearsal.parts:
            yield from _part_lines(each, self.rounds)
        if not self.rounds:
            yield "nothing would be measured: the costs are handed in"
        elif self.time is None:
            yield f"how long compiling would take: {self.unknown}"
        else:
            yield from _time_lines(self.time)
        yield "nothing of the model was run"


def foreseen(
    rehearsal: Rehearsal,
    effort: Effort,
    *,
    lower_precision: bool,
    by_costs: bool,
) -> Foreseen:
    """Runs a few small programs where that tells how long measuring would take."""
    unknown = _unknown(rehearsal, lower_precision=lower_precision)
    if by_costs:
        return Foreseen(rehearsal, {}, None, unknown)
    gate = STREAM_ROUNDS if rehearsal.objective.streams else GATE_ROUNDS
    rounds = {"profile": PROFILE_ROUNDS[effort], "gate": gate[effort]}
    time = None if unknown else expected_time(rehearsal, effort)
    return Foreseen(rehearsal, rounds, time, unknown)


def _unknown(rehearsal: Rehearsal, *, lower_precision: bool) -> str:
    """What nobody knows the time of beforehand; empty where that is known."""
    if rehearsal.objective.streams:
        return "how many stages and batches of a stream are measured is not known beforehand"
    if lower_precision:
        return "how many plans a tolerance admits is not known beforehand"
    if any(part.entry != MAIN for part in rehearsal.parts):
        return "at how many lengths a decoder's step is measured is not known beforehand"
    return ""


def _document(part: Rehearsed, rounds: Mapping[str, Rounds]) -> dict[str, object]:
    return {
        "entry": part.entry,
        "shapes": {name: list(shape) for name, shape in part.shapes.items()},
        "nodes": len(part.expanded.graph.nodes),
        "devices": [
            {
                "device": device.name,
                "basis": device.basis,
                "takes": part.takes(device.name),
                "refuses": [
                    {"reason": reason, "nodes": nodes}
                    for reason, nodes in part.refuses(device.name).most_common()
                ],
            }
            for device in part.expanded.machine.devices
        ],
        "profile_paths": len(part.paths) if rounds else 0,
    }


def _time_document(time: ExpectedTime) -> dict[str, object]:
    return {"about_s": time.about_s, "most_s": time.most_s, **asdict(time)}


def _part_lines(each: Rehearsed, rounds: Mapping[str, Rounds]) -> Iterator[str]:
    nodes = len(each.expanded.graph.nodes)
    at = f" at {shape_text(each.shapes)}" if each.shapes else ""
    yield f"{each.expanded.graph.name}{at}: {wording.count(nodes, 'node')}"
    width = max(len(device.name) for device in each.expanded.machine.devices)
    for device in each.expanded.machine.devices:
        taken = f"takes {each.takes(device.name):,} of {nodes:,}, {device.basis}"
        yield f"  {device.name:{width}}  {taken}"
        refused = each.refuses(device.name).most_common()
        for reason, number in refused[:_REASONS]:
            told = f"refuses {wording.count(number, 'node')}: {wording.shorten(reason, 120)}"
            yield f"  {'':{width}}    {told}"
        if len(refused) > _REASONS:
            rest = sum(number for _, number in refused[_REASONS:])
            yield f"  {'':{width}}    and {wording.count(rest, 'node')} for other reasons"
    if rounds:
        paths = wording.count(len(each.paths), "path")
        yield f"  would be measured: {paths} through the model, {_told(rounds['profile'])}"
        yield f"  then the contenders, {_told(rounds['gate'])}"


def _time_lines(time: ExpectedTime) -> Iterator[str]:
    phases = {
        "reading the model, as just now": time.read_s,
        "writing its weights": time.write_s,
        "profiling": time.profile_s,
        "comparing": time.gate_s,
    }
    parts = ", ".join(f"{name} {seconds(time_s)}" for name, time_s in phases.items())
    about, most = seconds(time.about_s), seconds(time.most_s)
    again = f"; up to {most} where other work disturbs it" if most != about else ""
    yield f"compiling would take about {about}{again}"
    yield f"  {parts}"
    rest = f"; not counted: {', '.join(time.uncounted)}" if time.uncounted else ""
    yield f"  (by what a few small programs take to be prepared and run on each device{rest})"


def _told(rounds: Rounds) -> str:
    return (
        f"in {rounds.least} to {rounds.most} rounds (after {seconds(rounds.budget_s)}, none begins "
        "but where something ran too seldom)"
    )
