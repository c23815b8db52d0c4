"""The expanded graph: every node on every device that can run it, and the transfers between them.

Devices that share a memory hand values to each other for nothing; between memories a value is
transferred, whatever device reads it there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from stagecut.compiler.ir.errors import AllFailedError, UnplaceableError
from stagecut.compiler.ir.graph import Graph, Node
from stagecut.compiler.ir.machine import HOST, Machine, Route
from stagecut.compiler.ir.text import printable

#: The device that runs whatever ONNX Runtime runs.
_PLAIN = "cpu.serial"
_FIX = f"add a device that supports it; {_PLAIN} runs all that ONNX Runtime runs"
_FIX_ALL = "add a device that supports it, or export the model with other operators or types"


#: Where it was tried on all of them.
_FIX_TRIED = (
    "where its inputs were made up, give some that it runs on: feeds, or --input INPUT=FILE.npy; "
    "otherwise add a device, or export the model with other operators"
)


@dataclass(frozen=True, slots=True)
class PossibleTransfer:
    """A transfer that some assignments make."""

    value: str
    size_bytes: int
    route: Route

    def __str__(self) -> str:
        source, target = self.route
        return f"%{self.value}: {source} > {target}, {self.size_bytes} B"


@dataclass(frozen=True)
class ExpandedGraph:
    """`candidates`: the devices that can run each node, in the machine's order; never none.

    `refusals` says why each of the other devices cannot. The machine's links say how the cost of
    a transfer is found. The graph's inputs start, and its outputs end, in the host's memory.
    """

    graph: Graph
    machine: Machine
    candidates: Mapping[str, tuple[str, ...]]
    refusals: Mapping[str, Mapping[str, str]]

    def __post_init__(self) -> None:
        for node in self.graph.nodes:
            if not self.candidates[node.name]:
                plain = _PLAIN in self.refusals[node.name]
                raise _unplaceable(node, self.refusals[node.name], _FIX_ALL if plain else _FIX)

    def without(self, node: str, device: str, reason: str) -> "ExpandedGraph":
        """The graph with one candidate fewer; raises AllFailedError for a node's last one."""
        left = tuple(name for name in self.candidates[node] if name != device)
        refusals = {**self.refusals[node], device: reason}
        if not left:
            error = _unplaceable(self.graph.node_named[node], refusals, _FIX_TRIED)
            raise AllFailedError(error.problem, where=error.where, fix=error.fix)
        return replace(
            self,
            candidates={**self.candidates, node: left},
            refusals={**self.refusals, node: refusals},
        )

    @property
    def candidate_count(self) -> int:
        return sum(map(len, self.candidates.values()))

    @cached_property
    def transfers(self) -> tuple[PossibleTransfer, ...]:
        """Every transfer that some assignment needs, in the order of the values."""
        return tuple(self._transfers())

    def _transfers(self) -> Iterator[PossibleTransfer]:
        starts = {value.name: {HOST} for value in self.graph.inputs}
        ends = {value.name: {HOST} for value in self.graph.outputs}
        for node in self.graph.nodes:
            memories = {self.machine.device(name).memory for name in self.candidates[node.name]}
            starts |= {value.name: memories for value in node.outputs}
            for value in node.inputs:
                ends[value.name] = ends.get(value.name, set()) | memories
        names = [memory.name for memory in self.machine.memories]
        for value in self.graph.values:
            for source in filter(starts[value.name].__contains__, names):
                for target in filter(ends.get(value.name, set()).__contains__, names):
                    if source != target:
                        yield PossibleTransfer(value.name, value.size_bytes, Route(source, target))

    def __str__(self) -> str:
        lines = [
            f"expanded graph {self.graph.name}: {len(self.graph.nodes)} nodes, "
            f"{self.candidate_count} candidates, {len(self.transfers)} transfers"
        ]
        for node in self.graph.nodes:
            lines.append(f"  {node.name} ({node.op}) on {', '.join(self.candidates[node.name])}")
            lines += [
                f"    not on {device}: {reason}"
                for device, reason in self.refusals[node.name].items()
            ]
        lines += [f"  link {link.route}: {link.basis}" for link in self.machine.links]
        lines += [f"  {transfer}" for transfer in self.transfers]
        return "\n".join(map(printable, lines))


def _unplaceable(node: Node, refusals: Mapping[str, str], fix: str) -> UnplaceableError:
    reasons = "; ".join(f"{device}: {reason}" for device, reason in refusals.items())
    return UnplaceableError(
        f"no device can run it ({reasons})", where=f"node {node.name} ({node.op})", fix=fix
    )
