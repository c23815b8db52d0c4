"""What makes a cost table valid. `where` in every error is the path in `stagecut.costs/1` JSON.

Costs are finite and not negative; names are unique and known; a value has one producer; and the
nodes can be put in an order in which each comes after those whose values it reads.
"""

import heapq
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from stagecut.compiler.ir.errors import CostTableError, UnplaceableError
from stagecut.compiler.ir.machine import Machine

if TYPE_CHECKING:
    from stagecut.compiler.ir.costs import CostTable, NodeCosts, ValueCosts

#: How many names an error shows before it says "and so on".
_SHOWN = 8


def check_costs(table: "CostTable") -> "tuple[NodeCosts, ...]":
    """The nodes of `table` in topological order; raises CostTableError when it is not valid."""
    _check_machine(table.machine)
    memories = {memory.name for memory in table.machine.memories}
    values = _unique("values", [value.name for value in table.values])
    for index, value in enumerate(table.values):
        _check_value(value, f"values[{index}]", memories)
    devices = {device.name for device in table.machine.devices}
    _unique("nodes", [node.name for node in table.nodes])
    for index, node in enumerate(table.nodes):
        _check_node(node, f"nodes[{index}]", devices, values)
    producers = _producers(table.nodes)
    _check_endpoints(table, memories, values, producers)
    return _sorted(table.nodes, producers)


def check_energy(table: "CostTable") -> None:
    """Raises CostTableError where the energy of a node or of a move is not known."""
    linked = {(link.source, link.target) for link in table.machine.links}
    for index, node in enumerate(table.nodes):
        for device in node.run_s:
            if device not in node.run_j:
                raise _unknown_energy(f"nodes[{index}].run_j.{device}")
    for index, value in enumerate(table.values):
        for source, target in (*value.move_s, *linked):
            if (source, target) not in value.move_j:
                raise _unknown_energy(f"values[{index}].move_j.{source}>{target}")


def _unknown_energy(where: str) -> CostTableError:
    return CostTableError(
        "this energy is needed and not known", where=where, fix="add it, or minimise latency"
    )


def _check_machine(machine: Machine) -> None:
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
        if not 0 < link.bytes_per_s < math.inf:
            raise CostTableError(
                f"{link.bytes_per_s} is not a bandwidth",
                where=f"links[{index}].bytes_per_s",
                fix="bandwidths are finite and greater than 0",
            )


def _check_value(value: "ValueCosts", where: str, memories: set[str]) -> None:
    if value.size_bytes < 0:
        raise CostTableError(
            f"{value.size_bytes} is not a size", where=f"{where}.size_bytes", fix="count the bytes"
        )
    for key, costs in (("move_s", value.move_s), ("move_j", value.move_j)):
        for (source, target), cost in costs.items():
            path = f"{where}.{key}.{source}>{target}"
            _check_known(source, memories, "memory", path)
            _check_known(target, memories, "memory", path)
            if source == target:
                raise CostTableError(
                    "a value does not move inside one memory", where=path, fix="remove the entry"
                )
            _check_cost(cost, path)


def _check_node(
    node: "NodeCosts", where: str, devices: set[str], values: Mapping[str, int]
) -> None:
    if not node.run_s:
        raise UnplaceableError(
            f"no device can run node {node.name!r} ({node.op})",
            where=f"{where}.run_s",
            fix="give its time on at least one device",
        )
    for key, costs in (("run_s", node.run_s), ("run_j", node.run_j)):
        for device, cost in costs.items():
            path = f"{where}.{key}.{device}"
            _check_known(device, devices, "device", path)
            _check_cost(cost, path)
    for key, names in (("inputs", node.inputs), ("outputs", node.outputs)):
        for index, name in enumerate(names):
            _check_known(name, values, "value", f"{where}.{key}[{index}]")
    if node.weight_bytes < 0:
        raise CostTableError(
            f"{node.weight_bytes} is not a size",
            where=f"{where}.weight_bytes",
            fix="count the bytes of the node's weights",
        )
    for device, size_bytes in node.held_bytes.items():
        path = f"{where}.held_bytes.{device}"
        _check_known(device, devices, "device", path)
        if size_bytes < 0:
            raise CostTableError(f"{size_bytes} is not a size", where=path, fix="count the bytes")


def _check_endpoints(
    table: "CostTable", memories: set[str], values: Mapping[str, int], producers: Mapping[str, int]
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


def _producers(nodes: "Sequence[NodeCosts]") -> Mapping[str, int]:
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


def _sorted(
    nodes: "tuple[NodeCosts, ...]", producers: Mapping[str, int]
) -> "tuple[NodeCosts, ...]":
    """The nodes in topological order; those that are free to come first keep their places."""
    before = [{producers[name] for name in node.inputs if name in producers} for node in nodes]
    if all(not earlier or max(earlier) < index for index, earlier in enumerate(before)):
        return nodes
    after: list[list[int]] = [[] for _ in nodes]
    for index, earlier in enumerate(before):
        for producer in earlier:
            after[producer].append(index)
    waiting = [len(earlier) for earlier in before]
    ready = [index for index, count in enumerate(waiting) if not count]
    order: list[int] = []
    while ready:
        index = heapq.heappop(ready)
        order.append(index)
        for following in after[index]:
            waiting[following] -= 1
            if not waiting[following]:
                heapq.heappush(ready, following)
    if len(order) < len(nodes):
        _refuse_cycle(nodes, before, set(range(len(nodes))) - set(order))
    return tuple(nodes[index] for index in order)


def _refuse_cycle(
    nodes: "Sequence[NodeCosts]", before: Sequence[set[int]], stuck: set[int]
) -> None:
    """Walk back among the nodes that never became ready, until the walk meets itself."""
    walk: list[int] = []
    index = min(stuck)
    while index not in walk:
        walk.append(index)
        index = min(before[index] & stuck)
    names = [nodes[step].name for step in (index, *reversed(walk[walk.index(index) :]))]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    raise CostTableError(
        f"nodes wait for each other in a cycle: {' -> '.join(names[:_SHOWN])}{more}",
        where=f"nodes[{index}].inputs",
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


def _check_known(name: str, known: "Mapping[str, int] | set[str]", kind: str, where: str) -> None:
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
