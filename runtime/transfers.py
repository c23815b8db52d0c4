"""Ways between memories: the links that backends bring, and the cheapest chain of them."""

from collections.abc import Iterable

import networkx as nx

from stagecut.compiler.ir.device import Backend, LinkDriver
from stagecut.compiler.ir.errors import DeviceError
from stagecut.compiler.ir.graph import Value


class Roads:
    """All link drivers of the machine."""

    def __init__(self, backends: Iterable[Backend]) -> None:
        self._graph: nx.DiGraph[str] = nx.DiGraph()
        for backend in backends:
            for driver in backend.links:
                self._graph.add_edge(driver.source, driver.target, driver=driver)

    def driver(self, source: str, target: str) -> LinkDriver:
        """The link from one memory straight to another."""
        driver: LinkDriver = self._graph.edges[source, target]["driver"]
        return driver

    def route(self, value: Value, source: str, target: str) -> tuple[str, ...]:
        """The memories from `source` to `target` along the cheapest chain of links.

        A direct link is always taken, as the objective has it. Raises DeviceError when no links
        lead there.
        """
        if self._graph.has_edge(source, target):
            return (source, target)
        try:
            stops: list[str] = nx.shortest_path(
                self._graph, source, target, weight=lambda _, __, edge: _cost(edge["driver"], value)
            )
        except (nx.NetworkXNoPath, nx.NodeNotFound):
            raise DeviceError(
                f"no link leads from memory {source!r} to {target!r}",
                where=f"value {value.name}",
                fix="add a device whose links join the two",
            ) from None
        return tuple(stops)


def _cost(driver: LinkDriver, value: Value) -> float:
    """Modelled seconds; a measured link, whose cost is not known here, counts as free."""
    estimate = driver.estimate(value)
    return 0.0 if estimate is None else estimate.run_s
