"""Ask every device about every node: the graph becomes the expanded graph."""

from collections.abc import Mapping
from dataclasses import dataclass

from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.device import Backend
from stagecut.compiler.ir.graph import Graph
from stagecut.compiler.ir.machine import HOST, Link, Machine, Memory, Resource


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
        return ExpandedGraph(graph, machine_of(self.backends), candidates, refusals)


def machine_of(backends: Mapping[str, Backend]) -> Machine:
    """Everything that the backends bring, complete: memories, devices, links and resources.

    Links have no bandwidth: each value is asked about, or measured.
    """
    memories = {HOST: Memory(HOST)}
    memories |= {backend.memory.name: backend.memory for backend in backends.values()}
    devices = tuple(backend.device for backend in backends.values())
    links = {
        (driver.source, driver.target): Link(driver.source, driver.target, basis=driver.basis)
        for backend in backends.values()
        for driver in backend.links
    }
    cores: dict[str, int] = {}
    for device in devices:
        cores[device.keeps_busy] = max(device.cores, cores.get(device.keeps_busy, 1))
    resources = tuple(Resource(name, units) for name, units in cores.items())
    return Machine(tuple(memories.values()), devices, tuple(links.values()), resources=resources)
