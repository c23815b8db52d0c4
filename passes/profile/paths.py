"""Choose the fewest complete assignments ("paths") that measure every node and every transfer.

A node's time needs one path for each measured device that can run it, so the node with the most
of these devices fixes the number of node paths. What a transfer takes depends only on its link
and size: each distinct pair, a *crossing*, needs one path in which some value makes it. Those
that no node path makes are covered by further paths; one is usually enough.

    cpu.serial    every node on cpu.serial
    cpu.parallel  every node that can on cpu.parallel, the rest on cpu.serial
    npu           every node that can on npu, the rest on cpu.serial
    transfers 1   host>npu with 4.00 KiB, npu>host with 64.0 KiB: made by no path above

Modelled devices and links cost no path. After Kim et al., ACM TODAES, doi 10.1145/3628599.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from stagecut.compiler.ir.assignment import Assignment
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.graph import Wiring
from stagecut.compiler.ir.machine import HOST
from stagecut.compiler.ir.units import size
from stagecut.passes.profile.path_cover import Covers, Demand, fewest_covers


@dataclass(frozen=True, slots=True)
class Crossing:
    """A move that has to be timed; all values of this size on this link share its time."""

    source: str
    target: str
    size_bytes: int

    def __str__(self) -> str:
        return f"{self.source}>{self.target} with {size(self.size_bytes)}"


@dataclass(frozen=True, slots=True)
class Path:
    """One complete assignment to be run, and what for; `covers` are the crossings it makes."""

    name: str
    reason: str
    assignment: Assignment
    covers: tuple[Crossing, ...]


@dataclass(frozen=True, slots=True)
class ProfilePlan:
    """The paths that time nodes, those that time transfers, and the proof that they are few.

    No choice with these node paths needs fewer than `fewest` in all; there are more of them only
    where the search had to be cut short. Node paths are as few as the devices of one node.
    """

    nodes: tuple[Path, ...]
    transfers: tuple[Path, ...]
    fewest: int

    @property
    def paths(self) -> tuple[Path, ...]:
        return (*self.nodes, *self.transfers)


def plan_paths(expanded: ExpandedGraph) -> ProfilePlan:
    """No paths when nothing is to be measured."""
    chooser = _Chooser(expanded)
    nodes = tuple(chooser.node_paths())
    covers = chooser.covers(nodes)
    transfers = tuple(chooser.transfer_paths(nodes, covers.covers))
    return ProfilePlan(nodes, transfers, len(nodes) + covers.lower_bound)


class _Chooser:
    """What the steps derive from the expanded graph, derived once."""

    def __init__(self, expanded: ExpandedGraph) -> None:
        devices = expanded.machine.devices
        measured = {device.name for device in devices if device.basis == "measured"}
        self._memory = {device.name: device.memory for device in devices}
        self._candidates = expanded.candidates
        self._timed = {
            node: tuple(filter(measured.__contains__, names))
            for node, names in expanded.candidates.items()
        }
        self._demands = tuple(_demands(expanded, self._memory))

    def node_paths(self) -> Iterator[Path]:
        used = {name for names in self._timed.values() for name in names}
        devices = [name for name in self._memory if name in used]
        most = max(map(len, self._timed.values()), default=0)
        if most == len(devices):
            for device in devices:
                placed = {node: device for node, names in self._timed.items() if device in names}
                yield self._path(device, f"times {self._share(placed)} on {device}", placed)
            return
        for turn in range(most):  # no node needs every device: each takes its own in turn
            placed = {node: names[turn] for node, names in self._timed.items() if names[turn:]}
            reason = f"times {self._share(placed)} on their device no. {turn + 1}"
            yield self._path(f"nodes {turn + 1}", reason, placed)

    def transfer_paths(self, nodes: Sequence[Path], covers: Sequence[Demand]) -> Iterator[Path]:
        missing = self._missing(nodes)
        for number, cover in enumerate(covers, start=1):
            placed = {node: self._device_in(node, memory) for node, memory in cover.items()}
            path = self._path(f"transfers {number}", "", placed)
            crossed = ", ".join(str(each) for each in path.covers if each in missing)
            yield replace(path, reason=f"crosses {crossed}")

    def covers(self, nodes: Sequence[Path]) -> Covers:
        return fewest_covers(tuple(self._missing(nodes).values()))

    def _share(self, placed: Mapping[str, str]) -> str:
        return f"{len(placed)} of {len(self._candidates)} nodes"

    def _missing(self, paths: Sequence[Path]) -> Mapping[Crossing, Sequence[Demand]]:
        """The crossings that none of `paths` makes, each with all the ways to make it."""
        crossed = {crossing for path in paths for crossing in path.covers}
        missing: dict[Crossing, list[Demand]] = {}
        for crossing, demand in self._demands:
            if crossing not in crossed:
                missing.setdefault(crossing, []).append(demand)
        return missing

    def _path(self, name: str, reason: str, placed: Mapping[str, str]) -> Path:
        """The nodes that are not `placed` run on the first measured device that can run them."""
        devices = {
            node: placed.get(node) or (*self._timed[node], *names)[0]
            for node, names in self._candidates.items()
        }
        memories = {node: self._memory[device] for node, device in devices.items()}
        made = (each for each, demand in self._demands if demand.items() <= memories.items())
        return Path(name, reason, Assignment(devices), tuple(dict.fromkeys(made)))

    def _device_in(self, node: str, memory: str) -> str:
        names = (*self._timed[node], *self._candidates[node])
        return next(name for name in names if self._memory[name] == memory)


def _demands(
    expanded: ExpandedGraph, memory_of: Mapping[str, str]
) -> Iterator[tuple[Crossing, Demand]]:
    """Every way to make a measured crossing: where a value's producer and one reader must run."""
    wiring = Wiring.of(expanded.graph.nodes)
    inputs = {value.name for value in expanded.graph.inputs}
    outputs = {value.name for value in expanded.graph.outputs}

    def places(index: int) -> Iterator[tuple[str, Demand]]:
        node = expanded.graph.nodes[index].name
        for memory in dict.fromkeys(memory_of[name] for name in expanded.candidates[node]):
            yield memory, {node: memory}

    outside: tuple[str, Demand] = (HOST, {})
    for value in expanded.graph.values:
        name = value.name
        starts = [outside] if name in inputs else [*places(wiring.producer[name])]
        ends = [end for reader in wiring.consumers.get(name, ()) for end in places(reader)]
        for source, written in starts:
            for target, read in [*ends, outside] if name in outputs else ends:
                if source != target and expanded.links.get((source, target)) == "measured":
                    yield Crossing(source, target, value.size_bytes), {**written, **read}
