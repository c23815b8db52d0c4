"""`stagecut compile --dry-run`: what each device takes, what it refuses and why; nothing is run."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stagecut import backends
from stagecut.compiler.context import Effort
from stagecut.compiler.effort import GATE_ROUNDS, PROFILE_ROUNDS, STREAM_ROUNDS
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.state import DecodingOptions
from stagecut.compiler.ir.text import shape_text
from stagecut.compiler.ir.units import seconds
from stagecut.compiler.profiling import expand_model
from stagecut.compiler.report import wording
from stagecut.passes.partition.restrict import Restrict
from stagecut.passes.profile.paths import plan_paths
from stagecut.passes.profile.rounds import Rounds

if TYPE_CHECKING:
    from stagecut.passes.cluster.cluster import Granularity

#: So many reasons of a device are told.
_REASONS = 4


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One variant: the graph on its devices, and how many whole runs would measure it."""

    shapes: Mapping[str, tuple[int, ...]]
    expanded: ExpandedGraph
    paths: int

    def takes(self, device: str) -> int:
        return sum(device in names for names in self.expanded.candidates.values())

    def refuses(self, device: str) -> Counter[str]:
        """How many nodes, by the reason."""
        given = self.expanded.refusals.values()
        return Counter(reasons[device] for reasons in given if device in reasons)


def rehearsed(
    model: str,
    *,
    feeds: Feeds | None,
    devices: Sequence[str] | None,
    variants: Sequence[Mapping[str, tuple[int, ...]]],
    granularity: "Granularity",
    lower_precision: str,
    restrict: Restrict,
    decoding: DecodingOptions = DecodingOptions(),
) -> tuple[Rehearsed, ...]:
    """Raises what `compile` would before it measures anything. `decoding` with a length asks about
    a decoder's step behind so many tokens."""
    names = devices or backends.real_devices(lower_precision=lower_precision)
    found = []
    for shapes in variants:
        expanded = expand_model(
            model,
            feeds=feeds,
            devices=names,
            shapes=shapes,
            granularity=granularity,
            decoding=decoding,
        )
        restrict.check(expanded)
        found.append(Rehearsed(shapes, expanded, len(plan_paths(expanded).paths)))
    return tuple(found)


def rounds_of(effort: Effort, objective: Objective, *, by_costs: bool) -> dict[str, Rounds]:
    """How often what is measured would run; nothing is where the costs are handed in."""
    if by_costs:
        return {}
    gate = STREAM_ROUNDS if objective.streams else GATE_ROUNDS
    return {"profile": PROFILE_ROUNDS[effort], "gate": gate[effort]}


def document(found: Sequence[Rehearsed], rounds: Mapping[str, Rounds]) -> dict[str, object]:
    return {
        "variants": [
            {
                "shapes": {name: list(shape) for name, shape in each.shapes.items()},
                "nodes": len(each.expanded.graph.nodes),
                "devices": [
                    {
                        "device": device.name,
                        "basis": device.basis,
                        "takes": each.takes(device.name),
                        "refuses": [
                            {"reason": reason, "nodes": nodes}
                            for reason, nodes in each.refuses(device.name).most_common()
                        ],
                    }
                    for device in each.expanded.machine.devices
                ],
                "profile_paths": each.paths if rounds else 0,
            }
            for each in found
        ],
        "rounds": {
            what: {"least": each.least, "most": each.most, "budget_s": each.budget_s}
            for what, each in rounds.items()
        },
    }


def lines(found: Sequence[Rehearsed], rounds: Mapping[str, Rounds]) -> Iterator[str]:
    for each in found:
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
            yield (
                f"  would be measured: {wording.count(each.paths, 'path')} through the model, in "
                f"{_told(rounds['profile'])}; then the contenders, in {_told(rounds['gate'])}"
            )
        else:
            yield "  nothing would be measured: the costs are handed in"
    yield "nothing was run"


def _told(rounds: Rounds) -> str:
    return (
        f"{rounds.least} to {rounds.most} rounds (after {seconds(rounds.budget_s)}, none begins "
        "but where something ran too seldom)"
    )
