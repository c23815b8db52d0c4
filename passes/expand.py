"""Ask every device about every node: the graph becomes the expanded graph."""

from collections.abc import Mapping
from dataclasses import dataclass

from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.device import Backend
from stagecut.compiler.ir.graph import Graph
from stagecut.compiler.ir.machine import HOST, Machine, Memory


@dataclass(frozen=True, slots=True)
class Expand:
    """Raises UnplaceableError for a node that no device can run, with every device's reason."""

    backends: Mapping[str, Backend]

    def __call__(self, graph: Graph) -> ExpandedGraph:
        candidates: dict[str, tuple[str, ...]] = {}
        refusals: dict[str, dict[str, str]] = {}
        for node in graph.nodes:
            answers = {name: backend.supports(node) for name, backend in self.backends.items()}
            candidates[node.name] = tuple(name for name, answer in answers.items() if answer)
            refusals[node.name] = {
                name: answer.reason for name, answer in answers.items() if not answer
            }
        links = {
            (driver.source, driver.target): driver.basis
            for backend in self.backends.values()
            for driver in backend.links
        }
        return ExpandedGraph(graph, self._machine(), candidates, refusals, links)

    def _machine(self) -> Machine:
        memories = {HOST: Memory(HOST)}
        memories |= {backend.memory.name: backend.memory for backend in self.backends.values()}
        devices = tuple(backend.device for backend in self.backends.values())
        return Machine(tuple(memories.values()), devices)
