"""A node by itself as a staged schedule: on a device, from the host's memory and back to it; or
several that have nothing to do with each other, in one stage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stagecut.compiler.ir.device import Backend, StagedSchedule
from stagecut.compiler.ir.graph import Node
from stagecut.compiler.ir.machine import HOST, Route
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.transfers import Ports, StageBorder, lay_out, route_tree
from stagecut.passes.stage.extract import Extractor


@dataclass(frozen=True, slots=True)
class OneNode:
    """`backends` are the devices, and what has links between their memories."""

    extract: Extractor
    backends: Mapping[str, Backend]

    def __call__(self, node: Node, device: str) -> StagedSchedule:
        """All of its outputs are handed back. Raises ScheduleError where no links lead there."""
        return self.beside([node], device)

    def beside(self, nodes: Sequence[Node], device: str) -> StagedSchedule:
        """The same of several, of which none reads what another one writes."""
        outputs = [value for node in nodes for value in node.outputs]
        program = self.extract(nodes[0].name, nodes, outputs)
        ports = Ports(
            tuple(value.name for value in program.inputs), tuple(value.name for value in outputs)
        )
        memory = self.backends[device].memory.name
        border = StageBorder(Stage(device, tuple(node.name for node in nodes)), memory, [ports])
        starts = dict.fromkeys(ports.inputs, HOST)
        ends = [(name, HOST) for name in ports.outputs]
        schedule = lay_out([border], starts, ends, self._router)
        return StagedSchedule(schedule, (program,), (None,) * len(schedule.steps))

    def _router(self, value: str, source: str) -> Mapping[str, str]:  # noqa: ARG002  # all go there
        links = {
            Route(link.source, link.target)
            for backend in self.backends.values()
            for link in backend.links
        }
        memories = dict.fromkeys((HOST, *(memory for route in sorted(links) for memory in route)))
        return route_tree(source, memories, lambda route: 0.0 if route in links else None)


def is_portable(node: Node) -> bool:
    """Whether all that it reads and writes can leave an engine."""
    return all(value.portable for value in (*node.inputs, *node.outputs))
