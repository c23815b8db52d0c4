"""Choose the fewest complete assignments ("paths") that measure every node and every transfer.

A node's time needs one path for each measured device that can run it, so the node with the most
of these devices fixes the number of node paths. What a transfer takes depends only on its link
and size: each distinct pair, a *timed transfer*, needs one path in which some value makes it. Those
that no node path makes are covered by further paths; one is usually enough.

    cpu.serial    every node on cpu.serial
    cpu.parallel  every node that can on cpu.parallel, the rest on cpu.serial
    npu           every node that can on npu, the rest on cpu.serial
    transfers 1   host>npu with 4.00 KiB, npu>host with 64.0 KiB: made by no path above

Modelled devices and links cost no path. After Kim et al., ACM TODAES, doi 10.1145/3628599.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.machine import HOST, Route
from stagecut.compiler.ir.solution import Assignment
from stagecut.compiler.ir.units import size
from stagecut.passes.profile.path_cover import Covers, Demand, fewest_covers


@dataclass(frozen=True, slots=True)
class TimedTransfer:
    """A transfer that has to be timed; all values of this size on this route share its time."""

    route: Route
    size_bytes: int

    def __str__(self) -> str:
        return f"{self.route} with {size(self.size_bytes)}"


@dataclass(frozen=True, slots=True)
class Path:
    """One complete assignment to be run, and what for; it times the transfers in `covers`."""

    name: str
    reason: str
    assignment: Assignment
    covers: tuple[TimedTransfer, ...]


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


def plan_paths(expanded: ExpandedGraph, of_all: int | None = None) -> ProfilePlan:
    """No paths when nothing is to be measured. `of_all` is how many nodes those of `expanded` are
    timed for, where they are not all there are."""
    chooser = _Chooser(expanded, of_all)
    nodes = tuple(chooser.node_paths())
    covers = chooser.covers(nodes)
    transfers = tuple(chooser.transfer_paths(nodes, covers.covers))
    return ProfilePlan(nodes, transfers, len(nodes) + covers.lower_bound)


class _Chooser:
    """Chooses the paths of one expanded graph."""

    def __init__(self, expanded: ExpandedGraph, of_all: int | None) -> None:
        devices = expanded.machine.devices
        measured = {device.name for device in devices if device.basis == "measured"}
        self._memory = {device.name: device.memory for device in devices}
        self._candidates = expanded.candidates
        self._for = "" if of_all is None else f", one of each kind among {of_all},"
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
                assigned = {node: device for node, names in self._timed.items() if device in names}
                yield self._path(device, f"times {self._share(assigned)} on {device}", assigned)
            return
        for turn in range(most):  # no node needs every device: each takes its own in turn
            assigned = {node: names[turn] for node, names in self._timed.items() if names[turn:]}
            reason = f"times {self._share(assigned)} on their device no. {turn + 1}"
            yield self._path(f"nodes {turn + 1}", reason, assigned)

    def transfer_paths(self, nodes: Sequence[Path], covers: Sequence[Demand]) -> Iterator[Path]:
        missing = self._missing(nodes)
        for number, cover in enumerate(covers, start=1):
            assigned = {node: self._device_in(node, memory) for node, memory in cover.items()}
            path = self._path(f"transfers {number}", "", assigned)
            made = ", ".join(str(transfer) for transfer in path.covers if transfer in missing)
            yield replace(path, reason=f"crosses {made}")

    def covers(self, nodes: Sequence[Path]) -> Covers:
        return fewest_covers(tuple(self._missing(nodes).values()))

    def _share(self, assigned: Mapping[str, str]) -> str:
        return f"{len(assigned)} of {len(self._candidates)} nodes{self._for}"

    def _missing(self, paths: Sequence[Path]) -> Mapping[TimedTransfer, Sequence[Demand]]:
        """The timed transfers that none of `paths` makes, each with every demand that makes it."""
        made = {transfer for path in paths for transfer in path.covers}
        missing: dict[TimedTransfer, list[Demand]] = {}
        for transfer, demand in self._demands:
            if transfer not in made:
                missing.setdefault(transfer, []).append(demand)
        return missing

    def _path(self, name: str, reason: str, assigned: Mapping[str, str]) -> Path:
        """Nodes that are not `assigned` run on the first measured device that can run them, or
        where there is none, on the first modelled one."""
        devices = {
            node: assigned.get(node) or (*self._timed[node], *names)[0]
            for node, names in self._candidates.items()
        }
        memories = {node: self._memory[device] for node, device in devices.items()}
        made = (
            transfer for transfer, demand in self._demands if demand.items() <= memories.items()
        )
        return Path(name, reason, Assignment(devices), tuple(dict.fromkeys(made)))

    def _device_in(self, node: str, memory: str) -> str:
        names = (*self._timed[node], *self._candidates[node])
        return next(name for name in names if self._memory[name] == memory)


def _demands(
    expanded: ExpandedGraph, memory_of: Mapping[str, str]
) -> Iterator[tuple[TimedTransfer, Demand]]:
    """Every transfer to be timed, with what makes it: where a value's producer and a reader run."""
    graph = expanded.graph
    measured = {link.route for link in expanded.machine.links if link.basis == "measured"}
    inputs = {value.name for value in expanded.graph.inputs}
    outputs = {value.name for value in expanded.graph.outputs}

    def places(index: int) -> Iterator[tuple[str, Demand]]:
        node = expanded.graph.nodes[index].name
        for memory in dict.fromkeys(memory_of[name] for name in expanded.candidates[node]):
            yield memory, {node: memory}

    outside: tuple[str, Demand] = (HOST, {})
    for value in expanded.graph.values:
        name = value.name
        starts = [outside] if name in inputs else [*places(graph.producer[name])]
        ends = [end for reader in graph.users.get(name, ()) for end in places(reader)]
        for source, written in starts:
            for target, read in [*ends, outside] if name in outputs else ends:
                route = Route(source, target)
                if source != target and route in measured:
                    yield TimedTransfer(route, value.size_bytes), {**written, **read}
