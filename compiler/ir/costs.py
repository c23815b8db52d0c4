"""The cost table: what was measured or modelled. The border between measuring and solving.

A table that exists is valid: costs are finite and not negative; names are unique and known; a value
has one producer; and the nodes stand in an order in which each comes after those whose values it
reads. `where` in every error is the path in `stagecut.costs/1` JSON.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs_check import checked
from stagecut.compiler.ir.errors import CostTableError
from stagecut.compiler.ir.machine import Basis, Machine, Route
from stagecut.compiler.ir.numbered import Numbered
from stagecut.compiler.ir.text import html_table
from stagecut.compiler.ir.units import seconds

if TYPE_CHECKING:  # either takes a while to load
    import networkx as nx
    import pandas as pd

#: Source and target memory -> seconds that a transfer takes at least, and bytes a second.
Links: TypeAlias = Mapping[tuple[str, str], tuple[float, float]]

#: What stands for a mapping with nothing in it: one for all, as there may be millions.
NOTHING: Mapping[Any, Any] = {}


def _nothing() -> Mapping[Any, Any]:
    return NOTHING


@dataclass(frozen=True, slots=True)
class Spread:
    """How far the samples behind a median lie apart."""

    runs: int
    min_s: float
    p25_s: float
    p75_s: float


@dataclass(frozen=True, slots=True)
class Cost:
    """Time, energy and how they came to be; `energy_j` is None where it is not known."""

    time_s: float
    energy_j: float | None = None
    basis: Basis = "measured"
    spread: Spread | None = None


@dataclass(frozen=True, slots=True)
class ValueCosts:
    """A value and what transferring it costs, by route; a route that is missing falls back on the
    machine's links."""

    name: str
    size_bytes: int
    transfer_s: Mapping[Route, float] = field(default_factory=_nothing)
    transfer_j: Mapping[Route, float] = field(default_factory=_nothing)
    transfer_spread: Mapping[Route, Spread] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True)
class NodeCosts:
    """A node and what running it costs, by device; a device that is missing cannot run it.

    `resident_bytes` is what the weights take in a device's memory where that is not `weight_bytes`.
    `uses` says, by the name of a budget and by device, how much of it the node uses there.
    """

    name: str
    op: str
    run_s: Mapping[str, float]
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    weight_bytes: int = 0
    run_j: Mapping[str, float] = field(default_factory=_nothing)
    run_spread: Mapping[str, Spread] = field(default_factory=_nothing)
    resident_bytes: Mapping[str, int] = field(default_factory=_nothing)
    uses: Mapping[str, Mapping[str, float]] = field(default_factory=_nothing)

    def bytes_on(self, device: str) -> int:
        """What the weights take in the device's memory."""
        return self.resident_bytes.get(device, self.weight_bytes)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The memory where a graph input starts, or where a graph output must end."""

    name: str
    memory: str


#: The budget that limits joules: what nodes and transfers take, by the table's energies.
ENERGY = "energy"

#: The budget of what lower precision does to the outputs: squared relative rms errors, which add up
#: where they have nothing to do with each other.
ERROR = "error"


@dataclass(frozen=True, slots=True)
class Budget:
    """Something that adds up over the nodes of a schedule and may not exceed `limit`.

    What each node uses of it is in `NodeCosts.uses`; of "energy" it is `run_j`, and transfers use
    `transfer_j`. The bytes of a memory are a budget of their own: `Memory.capacity_bytes`.
    """

    name: str
    limit: float


@dataclass(frozen=True)
class CostTable:
    """Every node and value with its costs.

    `nodes` are in topological order: the constructor sorts them, stably, where they are not. A
    value without a producer that is not in `inputs`, and a result that is not in `outputs`, is
    free: it is wherever it is wanted. Raises CostTableError, whose `where` is the JSON path.
    """

    name: str
    machine: Machine
    values: tuple[ValueCosts, ...]
    nodes: tuple[NodeCosts, ...]
    inputs: tuple[Endpoint, ...] = ()
    outputs: tuple[Endpoint, ...] = ()
    budgets: tuple[Budget, ...] = ()
    #: Who reads and writes what, by number.
    numbered: Numbered = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        budgets = {budget.name for budget in self.budgets if budget.name != ENERGY}
        nodes, numbered = checked(self, budgets)
        object.__setattr__(self, "nodes", nodes)
        object.__setattr__(self, "numbered", numbered)

    @staticmethod
    def from_networkx(
        graph: "nx.DiGraph[Any] | nx.MultiDiGraph[Any]",
        devices: Mapping[str, str],
        links: Links,
        name: str = "graph",
        limits: Mapping[str, float] = NOTHING,
    ) -> "CostTable":
        """The table of a directed graph.

        `devices` maps each device to its memory, `links` each source and target memory to the
        seconds that a transfer takes at least, and bytes a second, and `limits` each budget to what
        all nodes together may use of it. Every node has `run_s`, seconds by device, and may have
        `op`, `run_j` (joules by device), `weight_bytes`, `resident_bytes` (by device, where that is
        another size there) and `uses` (by budget in `limits`, and below by device); every edge may
        have `size_bytes` and `value`. A value that several edges hand on is as large as the largest
        of them says. Names are the texts of the graph's own. Raises CostTableError for a
        graph that has circles, or no `run_s`, and for what is no number where one belongs.
        """
        from stagecut.compiler.ir.networkx_graph import table_of

        return table_of(graph, devices, links, name, limits)

    def to_networkx(self) -> "nx.MultiDiGraph[str]":
        """Nodes and edges with what `from_networkx` reads; devices, links and limits are not in it.

        There is an edge for each value that a node hands to another, and none for the graph's
        inputs and outputs.
        """
        from stagecut.compiler.ir.networkx_graph import graph_of

        return graph_of(self)

    def to_frame(self) -> "pd.DataFrame":
        """A data frame of pandas with a row for each candidate: seconds, joules (NaN where they are
        not known) and the bytes that the weights take in the device's memory. Raises UsageError
        without pandas, which is no dependency."""
        from stagecut.compiler.ir.frame import frame_of

        return frame_of(self)

    @cached_property
    def node_named(self) -> dict[str, NodeCosts]:
        return {node.name: node for node in self.nodes}

    def value(self, name: str) -> ValueCosts:
        return self.values[self.numbered.value[name]]

    @cached_property
    def producer(self) -> dict[str, str]:
        """The node that writes each value that some node writes."""
        return {value: node.name for node in self.nodes for value in node.outputs}

    @cached_property
    def users(self) -> dict[str, tuple[str, ...]]:
        """The nodes that read each value that some node reads, in the table's order."""
        users: dict[str, dict[str, None]] = {}
        for node in self.nodes:
            for value in node.inputs:
                users.setdefault(value, {})[node.name] = None
        return {value: tuple(nodes) for value, nodes in users.items()}

    def run(self, node: str, device: str) -> Cost:
        """What one run of `node` on `device`, which can run it, costs."""
        costs = self.node_named[node]
        basis = self.machine.device(device).basis
        spread = costs.run_spread.get(device)
        return Cost(costs.run_s[device], costs.run_j.get(device), basis, spread)

    def transfer(self, value: str, route: Route) -> Cost | None:
        """What transferring `value` straight along `route` costs; None where neither the value nor
        a link says."""
        costs = self.value(value)
        links = self.machine.links_on.get(route, ())
        energy_j = costs.transfer_j.get(route) if costs.transfer_j else None
        spread = costs.transfer_spread.get(route) if costs.transfer_spread else None
        time_s = costs.transfer_s.get(route)
        if time_s is not None:
            return Cost(time_s, energy_j, links[0].basis if links else "measured", spread)
        timed = [
            (s, link) for link in links if (s := link.transfer_s(costs.size_bytes)) is not None
        ]
        if not timed:
            return None
        time_s, link = min(timed, key=itemgetter(0))
        return Cost(time_s, energy_j, link.basis, spread)

    def _repr_html_(self) -> str:
        """For notebooks: what each node takes on each device."""
        devices = [device.name for device in self.machine.devices]
        rows = [
            (
                node.name,
                node.op,
                *(seconds(node.run_s[name]) if name in node.run_s else "" for name in devices),
            )
            for node in self.nodes
        ]
        caption = f"{self.name}: {len(self.nodes):,} nodes"
        return html_table(caption, ("node", "operator", *devices), rows)

    def require_energy(self) -> None:
        """Raises CostTableError where the energy of a node or of a transfer is not known."""
        linked = [link.route for link in self.machine.links if link.bytes_per_s is not None]
        for index, node in enumerate(self.nodes):
            for device in node.run_s:
                if device not in node.run_j:
                    raise _unknown_energy(f"nodes[{index}].run_j.{device}")
        for index, value in enumerate(self.values):
            for route in (*value.transfer_s, *linked):
                if route not in value.transfer_j:
                    raise _unknown_energy(f"values[{index}].move_j.{route}")


#: Says what a model's nodes cost on their candidates.
CostModel: TypeAlias = Callable[[ExpandedGraph], CostTable]

#: A table, or what makes one of a graph.
Costs: TypeAlias = CostTable | CostModel


def with_energy_limit(table: CostTable, limit_j: float) -> CostTable:
    """The table with a budget of `limit_j` joules for a run, in place of any energy budget it has.

    Raises CostTableError where an energy is not known.
    """
    table.require_energy()
    others = tuple(budget for budget in table.budgets if budget.name != ENERGY)
    return replace(table, budgets=(*others, Budget(ENERGY, float(limit_j))))


def with_errors(
    table: CostTable, squared: Mapping[str, Mapping[str, float]], limit: float
) -> CostTable:
    """The table with a budget of errors in place of any that it has: `squared` is, by node and
    device, the square of the relative rms error that the node alone causes there at the outputs."""
    others = tuple(budget for budget in table.budgets if budget.name != ERROR)
    nodes = []
    for node in table.nodes:
        own = squared.get(node.name, NOTHING)
        uses = {name: used for name, used in node.uses.items() if name != ERROR}
        nodes.append(replace(node, uses={**uses, ERROR: own} if own else uses))
    return replace(table, nodes=tuple(nodes), budgets=(*others, Budget(ERROR, limit)))


def with_error_limit(table: CostTable, limit: float | None) -> CostTable:
    """The table with another limit on errors, None for one that no schedule exceeds; the same
    where errors are no budget."""
    if all(budget.name != ERROR for budget in table.budgets):
        return table
    if limit is None:
        most = (max(node.uses.get(ERROR, {}).values(), default=0.0) for node in table.nodes)
        limit = 2.0 * math.fsum(most) + 1.0
    return replace(
        table,
        budgets=tuple(
            replace(budget, limit=limit) if budget.name == ERROR else budget
            for budget in table.budgets
        ),
    )


def _unknown_energy(where: str) -> CostTableError:
    return CostTableError(
        "this energy is needed and not known",
        where=where,
        fix="add it, or minimise latency, without a limit on energy",
    )
