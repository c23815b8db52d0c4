"""What the models of devices and links say, asked once before anything is measured."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.device import Backend, Estimate
from stagecut.compiler.ir.errors import EngineError, StageFault
from stagecut.compiler.ir.machine import Route


@dataclass(frozen=True, slots=True)
class Estimates:
    """By node and device, and by route and value; None for what has to be measured."""

    nodes: Mapping[tuple[str, str], Estimate | None]
    transfers: Mapping[tuple[Route, str], Estimate | None]

    @classmethod
    def of(cls, expanded: ExpandedGraph, backends: Mapping[str, Backend]) -> "Estimates":
        """Raises StageFault for a device that has no answer: its stage is the number of the node
        that was asked about, or of the first on a device whose link has none."""
        return cls(dict(_of_nodes(expanded, backends)), dict(_of_transfers(expanded, backends)))

    @property
    def routes(self) -> tuple[Route, ...]:
        """Those of all links, in their order."""
        return tuple(dict.fromkeys(route for route, _ in self.transfers))


def _of_nodes(
    expanded: ExpandedGraph, backends: Mapping[str, Backend]
) -> Iterator[tuple[tuple[str, str], Estimate | None]]:
    for index, node in enumerate(expanded.graph.nodes):
        for name in expanded.candidates[node.name]:
            try:
                estimate = backends[name].estimate(node)
            except EngineError as error:
                raise StageFault(error.problem, stage=index, device=name) from error
            yield (node.name, name), estimate


def _of_transfers(
    expanded: ExpandedGraph, backends: Mapping[str, Backend]
) -> Iterator[tuple[tuple[Route, str], Estimate | None]]:
    """A link without an answer whose device runs nothing is left out."""
    first = _first_nodes(expanded)
    for name, backend in backends.items():
        for driver in backend.links:
            route = Route(driver.source, driver.target)
            try:
                found = [(value.name, driver.estimate(value)) for value in expanded.graph.values]
            except EngineError as error:
                if name in first:
                    raise StageFault(error.problem, stage=first[name], device=name) from error
                continue
            yield from (((route, value), estimate) for value, estimate in found)


def _first_nodes(expanded: ExpandedGraph) -> Mapping[str, int]:
    """The number of the first node that each device can run."""
    first: dict[str, int] = {}
    for index, node in enumerate(expanded.graph.nodes):
        for name in expanded.candidates[node.name]:
            first.setdefault(name, index)
    return first
