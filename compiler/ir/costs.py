"""The cost table: what was measured or modelled. The border between measuring and solving.

A table that exists is valid: costs are finite and not negative; names are unique and known; a value
has one producer; and the nodes stand in an order in which each comes after those whose values it
reads. `where` in every error is the path in `stagecut.costs/1` JSON.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NoReturn

from stagecut.compiler.ir.errors import CostTableError, UnplaceableError
from stagecut.compiler.ir.machine import Basis, Machine, Route
from stagecut.compiler.ir.order import cycle_among, stable_order

#: Of costs, so that all of them, each with its price, can be added up; and of bytes.
MOST = 1e100
_MOST_BYTES = 2**63 - 1

#: How many names an error shows before it says "and so on".
_SHOWN = 8


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
    transfer_s: Mapping[Route, float] = field(default_factory=dict)
    transfer_j: Mapping[Route, float] = field(default_factory=dict)
    transfer_spread: Mapping[Route, Spread] = field(default_factory=dict)


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
    run_j: Mapping[str, float] = field(default_factory=dict)
    run_spread: Mapping[str, Spread] = field(default_factory=dict)
    resident_bytes: Mapping[str, int] = field(default_factory=dict)
    uses: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

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

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", _checked(self))

    @cached_property
    def node_named(self) -> dict[str, NodeCosts]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def value_named(self) -> dict[str, ValueCosts]:
        return {value.name: value for value in self.values}

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
        costs = self.value_named[value]
        links = self.machine.links_on.get(route, ()) if self.machine.links else ()
        energy_j, spread = costs.transfer_j.get(route), costs.transfer_spread.get(route)
        time_s = costs.transfer_s.get(route)
        if time_s is not None:
            return Cost(time_s, energy_j, links[0].basis if links else "measured", spread)
        timed = [
            (s, link) for link in links if (s := link.transfer_s(costs.size_bytes)) is not None
        ]
        if not timed:
            return None
        time_s, link = min(timed, key=lambda pair: pair[0])
        return Cost(time_s, energy_j, link.basis, spread)

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


def with_energy_limit(table: CostTable, limit_j: float) -> CostTable:
    """The table with a budget of `limit_j` joules for a run, in place of any energy budget it has.

    Raises CostTableError where an energy is not known.
    """
    table.require_energy()
    others = tuple(budget for budget in table.budgets if budget.name != ENERGY)
    return replace(table, budgets=(*others, Budget(ENERGY, limit_j)))


def _unknown_energy(where: str) -> CostTableError:
    return CostTableError(
        "this energy is needed and not known",
        where=where,
        fix="add it, or minimise latency, without a limit on energy",
    )


def _checked(table: CostTable) -> tuple[NodeCosts, ...]:
    """The nodes of `table` in topological order; raises CostTableError when it is not valid."""
    _check_machine(table.machine, max((value.size_bytes for value in table.values), default=0))
    memories = set(table.machine.memory_named)
    values = _unique("values", [value.name for value in table.values])
    for index, value in enumerate(table.values):
        _check_value(value, index, memories)
    devices = set(table.machine.device_named)
    _unique("nodes", [node.name for node in table.nodes])
    budgets = _check_budgets(table.budgets)
    for index, node in enumerate(table.nodes):
        _check_node(node, index, devices, values)
        _check_uses(node, index, devices, budgets)
    producers = _producers(table.nodes)
    _check_endpoints(table, memories, values, producers)
    return _sorted(table.nodes, producers)


def _check_budgets(budgets: Sequence[Budget]) -> set[str]:
    _unique("budgets", [budget.name for budget in budgets])
    for index, budget in enumerate(budgets):
        _check_cost(budget.limit, f"budgets[{index}].limit")
    return {budget.name for budget in budgets}


def _check_uses(node: NodeCosts, index: int, devices: set[str], budgets: set[str]) -> None:
    for budget, uses in node.uses.items():
        _check_known(budget, budgets - {ENERGY}, "budget", f"nodes[{index}].uses.{budget}")
        for device, amount in uses.items():
            path = f"nodes[{index}].uses.{budget}.{device}"
            _check_known(device, devices, "device", path)
            _check_cost(amount, path)


def _check_machine(machine: Machine, largest_bytes: int) -> None:
    """`largest_bytes` is the size of the largest value."""
    if not machine.devices:
        raise CostTableError(
            "there is no device", where="devices", fix="name at least one, and its memory"
        )
    for index, device in enumerate(machine.devices):
        _check_cost(device.stage_s, f"devices[{index}].stage_s")
        if device.power_w is not None:
            _check_cost(device.power_w, f"devices[{index}].power_w")
    for index, link in enumerate(machine.links):
        _check_cost(link.latency_s, f"links[{index}].latency_s")
        if link.bytes_per_s is not None and not 0 < link.bytes_per_s < math.inf:
            raise CostTableError(
                f"{link.bytes_per_s} is not a bandwidth",
                where=f"links[{index}].bytes_per_s",
                fix="bandwidths are finite and greater than 0",
            )
        slowest_s = link.transfer_s(largest_bytes) or 0.0
        if slowest_s > MOST:
            raise _too_large(slowest_s, f"links[{index}].bytes_per_s")


def _check_value(value: ValueCosts, index: int, memories: set[str]) -> None:
    _check_size(value.size_bytes, f"values[{index}].size_bytes")
    for key, costs in (("move_s", value.transfer_s), ("move_j", value.transfer_j)):
        for (source, target), cost in costs.items():
            if 0 <= cost <= MOST and source != target and source in memories and target in memories:
                continue
            path = f"values[{index}].{key}.{source}>{target}"
            _check_known(source, memories, "memory", path)
            _check_known(target, memories, "memory", path)
            _check_cost(cost, path)
            raise CostTableError(
                "a value is not transferred inside one memory", where=path, fix="remove the entry"
            )


def _check_node(node: NodeCosts, index: int, devices: set[str], values: Mapping[str, int]) -> None:
    where = f"nodes[{index}]"
    if not node.run_s:
        raise UnplaceableError(
            f"no device can run node {node.name!r} ({node.op})",
            where=f"{where}.run_s",
            fix="give its time on at least one device",
        )
    for key, costs in (("run_s", node.run_s), ("run_j", node.run_j)):
        for device, cost in costs.items():
            if device in devices and 0 <= cost <= MOST:
                continue
            path = f"{where}.{key}.{device}"
            _check_known(device, devices, "device", path)
            _check_cost(cost, path)
    for key, names in (("inputs", node.inputs), ("outputs", node.outputs)):
        for position, name in enumerate(names):
            if name not in values:
                _check_known(name, values, "value", f"{where}.{key}[{position}]")
    _check_size(node.weight_bytes, f"{where}.weight_bytes")
    for device, size_bytes in node.resident_bytes.items():
        path = f"{where}.held_bytes.{device}"
        _check_known(device, devices, "device", path)
        _check_size(size_bytes, path)


def _check_endpoints(
    table: CostTable, memories: set[str], values: Mapping[str, int], producers: Mapping[str, int]
) -> None:
    _unique("inputs", [end.name for end in table.inputs])
    _unique("outputs", [f"{end.name}>{end.memory}" for end in table.outputs])
    for key, ends in (("inputs", table.inputs), ("outputs", table.outputs)):
        for index, end in enumerate(ends):
            _check_known(end.name, values, "value", f"{key}[{index}].name")
            _check_known(end.memory, memories, "memory", f"{key}[{index}].memory")
    for index, end in enumerate(table.inputs):
        if end.name in producers:
            writer = table.nodes[producers[end.name]].name
            raise CostTableError(
                f"value {end.name!r} cannot be an input: node {writer!r} writes it",
                where=f"inputs[{index}].name",
                fix="remove it from the inputs, or from the node's outputs",
            )


def _producers(nodes: Sequence[NodeCosts]) -> Mapping[str, int]:
    """The index of the node that writes each value."""
    producers: dict[str, int] = {}
    for index, node in enumerate(nodes):
        for position, name in enumerate(node.outputs):
            if name in producers:
                raise CostTableError(
                    f"value {name!r} is already written by node {nodes[producers[name]].name!r}",
                    where=f"nodes[{index}].outputs[{position}]",
                    fix="a value has one producer: rename one of the two",
                )
            producers[name] = index
    return producers


def _sorted(nodes: tuple[NodeCosts, ...], producers: Mapping[str, int]) -> tuple[NodeCosts, ...]:
    """The nodes in topological order; those that are free to come first keep their places."""
    before = [{producers[name] for name in node.inputs if name in producers} for node in nodes]
    order = stable_order(before)
    if len(order) < len(nodes):
        _refuse_cycle(nodes, cycle_among(before, set(range(len(nodes))) - set(order)))
    return tuple(nodes[index] for index in order)


def _refuse_cycle(nodes: Sequence[NodeCosts], cycle: Sequence[int]) -> NoReturn:
    names = [nodes[index].name for index in cycle]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    raise CostTableError(
        f"nodes wait for each other in a cycle: {' -> '.join(names[:_SHOWN])}{more}",
        where=f"nodes[{cycle[0]}].inputs",
        fix="a cost table describes a graph without cycles: remove one of these edges",
    )


def _unique(where: str, names: Sequence[str]) -> dict[str, int]:
    """Each name's index."""
    known: dict[str, int] = {}
    for index, name in enumerate(names):
        if known.setdefault(name, index) != index:
            raise CostTableError(
                f"the name {name!r} is already taken by {where}[{known[name]}]",
                where=f"{where}[{index}].name",
                fix="names are unique: rename one of the two",
            )
    return known


def _check_known(name: str, known: Mapping[str, int] | set[str], kind: str, where: str) -> None:
    if name not in known:
        shown = ", ".join(sorted(known)[:_SHOWN]) or "none"
        more = ", ..." if len(known) > _SHOWN else ""
        raise CostTableError(
            f"there is no {kind} {name!r}", where=where, fix=f"known: {shown}{more}"
        )


def _check_cost(cost: float, where: str) -> None:
    if not 0 <= cost < math.inf:
        raise CostTableError(
            f"{cost} is not a cost", where=where, fix="costs are finite and not negative"
        )
    if cost > MOST:
        raise _too_large(cost, where)


def _too_large(cost: float, where: str) -> CostTableError:
    return CostTableError(
        f"a cost of {cost:g}: costs are too large to add",
        where=where,
        fix=f"costs are at most {MOST:g}: count in larger units",
    )


def _check_size(size_bytes: int, where: str) -> None:
    if not 0 <= size_bytes <= _MOST_BYTES:
        raise CostTableError(
            "is not a size", where=where, fix="count the bytes, of which memories hold below 2^63"
        )
