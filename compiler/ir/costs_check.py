"""Whether a cost table is valid, and its nodes in topological order.

All values, and then all nodes, are looked at together, which takes no time to speak of; only where
something is wrong are they looked at one by one, for the sentence to say of the first.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, NoReturn, TypeVar

import numpy as np

from stagecut.compiler.ir.amounts import LARGEST_SIZE, MOST
from stagecut.compiler.ir.errors import CostTableError, UnplaceableError
from stagecut.compiler.ir.machine import Machine, Route
from stagecut.compiler.ir.numbered import Ints, Numbered
from stagecut.compiler.ir.order import cycle_among, stable_order

if TYPE_CHECKING:
    from stagecut.compiler.ir.costs import Budget, CostTable, NodeCosts, ValueCosts

Key = TypeVar("Key", str, Route)

#: How many names an error shows before it says "and so on", and how many digits.
_SHOWN, _SHOWN_DIGITS = 8, 30


def checked(table: "CostTable", budgets: set[str]) -> tuple[tuple["NodeCosts", ...], Numbered]:
    """The nodes of `table` in topological order, and who reads and writes what, by number; raises
    CostTableError when it is not valid."""
    sizes = [value.size_bytes for value in table.values]
    _check_machine(table.machine, max(sizes, default=0))
    memories = set(table.machine.memory_named)
    values = _numbers("values", [value.name for value in table.values])
    if not (_are_sizes(sizes) and _transfers_are_sound(table.values, memories)):
        for index, value in enumerate(table.values):
            _check_value(value, index, memories)
    devices = set(table.machine.device_named)
    _check_unique("nodes", [node.name for node in table.nodes])
    _check_budgets(table.budgets)
    numbered = _numbered(table.nodes, values)
    if numbered is None or not _nodes_are_sound(table.nodes, devices):
        for index, node in enumerate(table.nodes):
            _check_node(node, index, devices, values)
            _check_uses(node, index, devices, budgets)
    if numbered is None:
        raise AssertionError("all names are known, and one is not")
    writer = _writers(table.nodes, numbered)
    _check_endpoints(table, memories, values, writer)
    order = _order(table.nodes, numbered, writer)
    if order is None:
        return table.nodes, numbered
    return tuple(table.nodes[index] for index in order), numbered.in_order(order)


def _numbered(nodes: Sequence["NodeCosts"], values: Mapping[str, int]) -> Numbered | None:
    """None where a node reads or writes what is no value."""
    try:
        return Numbered.of(nodes, values)
    except KeyError:
        return None


def _transfers_are_sound(values: Sequence["ValueCosts"], memories: set[str]) -> bool:
    """Whether `_check_value` passes the costs of all of them."""
    costs = [value.transfer_s for value in values if value.transfer_s]
    costs += [value.transfer_j for value in values if value.transfer_j]
    routes: set[Route] = set().union(*costs)
    return (
        all(source != target for source, target in routes)
        and memories.issuperset(chain.from_iterable(routes))
        and _are_costs(costs)
    )


def _nodes_are_sound(nodes: Sequence["NodeCosts"], devices: set[str]) -> bool:
    """Whether `_check_node` and `_check_uses` pass all of them, but for the names of values; False
    where it takes a look."""
    run = [node.run_s for node in nodes]
    costs = run + [node.run_j for node in nodes if node.run_j]
    return (
        all(run)
        and devices.issuperset(set().union(*costs))
        and _are_costs(costs)
        and _are_sizes([node.weight_bytes for node in nodes])
        and not any(node.resident_bytes or node.uses for node in nodes)
    )


def _are_costs(costs: Iterable[Mapping[Key, float]]) -> bool:
    every = chain.from_iterable(each.values() for each in costs)
    try:
        amounts = np.fromiter(every, np.float64)
    except OverflowError:  # of a whole number without end
        return False
    return bool((amounts >= 0).all() and (amounts <= MOST).all())


def _are_sizes(sizes: Sequence[int]) -> bool:
    return min(sizes, default=0) >= 0 and max(sizes, default=0) <= LARGEST_SIZE


def _check_budgets(budgets: Sequence["Budget"]) -> None:
    _check_unique("budgets", [budget.name for budget in budgets])
    for index, budget in enumerate(budgets):
        _check_cost(budget.limit, f"budgets[{index}].limit")


def _check_uses(node: "NodeCosts", index: int, devices: set[str], budgets: set[str]) -> None:
    for budget, uses in node.uses.items():
        _check_known(budget, budgets, "budget", f"nodes[{index}].uses.{budget}")
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
    for index, memory in enumerate(machine.memories):
        _check_size(memory.capacity_bytes or 0, f"memories[{index}].capacity_bytes")
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
        slowest_s = link.transfer_s(min(largest_bytes, LARGEST_SIZE)) or 0.0
        if slowest_s > MOST:
            raise _too_large(slowest_s, f"links[{index}].bytes_per_s")


def _check_value(value: "ValueCosts", index: int, memories: set[str]) -> None:
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


def _check_node(
    node: "NodeCosts", index: int, devices: set[str], values: Mapping[str, int]
) -> None:
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
    table: "CostTable", memories: set[str], values: Mapping[str, int], writers: Ints
) -> None:
    """`writers` (V,) are the nodes that write the values, -1 where none does."""
    _check_unique("inputs", [end.name for end in table.inputs])
    _check_unique("outputs", [f"{end.name}>{end.memory}" for end in table.outputs])
    for key, ends in (("inputs", table.inputs), ("outputs", table.outputs)):
        for index, end in enumerate(ends):
            _check_known(end.name, values, "value", f"{key}[{index}].name")
            _check_known(end.memory, memories, "memory", f"{key}[{index}].memory")
    for index, end in enumerate(table.inputs):
        if writers[values[end.name]] >= 0:
            writer = table.nodes[writers[values[end.name]]].name
            raise CostTableError(
                f"value {end.name!r} cannot be an input: node {writer!r} writes it",
                where=f"inputs[{index}].name",
                fix="remove it from the inputs, or from the node's outputs",
            )


def _writers(nodes: Sequence["NodeCosts"], numbered: Numbered) -> Ints:
    """(V,): the node that writes each value, -1 where none does."""
    writer = numbered.writer
    if np.count_nonzero(writer >= 0) < numbered.writes.shape[1]:
        _refuse_second_producer(nodes)
    return writer


def _refuse_second_producer(nodes: Sequence["NodeCosts"]) -> NoReturn:
    writers: dict[str, str] = {}
    for index, node in enumerate(nodes):
        for position, name in enumerate(node.outputs):
            if name in writers:
                raise CostTableError(
                    f"value {name!r} is already written by node {writers[name]!r}",
                    where=f"nodes[{index}].outputs[{position}]",
                    fix="a value has one producer: rename one of the two",
                )
            writers[name] = node.name
    raise AssertionError("every value has one producer")


def _order(
    nodes: Sequence["NodeCosts"], numbered: Numbered, writer: Ints
) -> tuple[int, ...] | None:
    """A topological order, in which those that are free to come first keep their places; None where
    the nodes stand in it already."""
    reader, value = numbered.reads
    first = writer[value]
    if (first < reader).all():
        return None
    before: list[set[int]] = [set() for _ in nodes]
    for node, earlier in zip(reader.tolist(), first.tolist(), strict=True):
        if earlier >= 0:
            before[node].add(earlier)
    order = stable_order(before)
    if len(order) < len(nodes):
        _refuse_cycle(nodes, cycle_among(before, set(range(len(nodes))) - set(order)))
    return order


def _refuse_cycle(nodes: Sequence["NodeCosts"], cycle: Sequence[int]) -> NoReturn:
    names = [nodes[index].name for index in cycle]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    raise CostTableError(
        f"nodes wait for each other in a cycle: {' -> '.join(names[:_SHOWN])}{more}",
        where=f"nodes[{cycle[0]}].inputs",
        fix="a cost table describes a graph without cycles: remove one of these edges",
    )


def _numbers(where: str, names: Sequence[str]) -> dict[str, int]:
    """Each name's index; raises CostTableError where one stands there twice."""
    known = dict(zip(names, range(len(names)), strict=True))
    if len(known) < len(names):
        _check_unique(where, names)
    return known


def _check_unique(where: str, names: Sequence[str]) -> None:
    if len(set(names)) == len(names):
        return
    known: dict[str, int] = {}
    for index, name in enumerate(names):
        if known.setdefault(name, index) != index:
            raise CostTableError(
                f"the name {name!r} is already taken by {where}[{known[name]}]",
                where=f"{where}[{index}].name",
                fix="names are unique: rename one of the two",
            )


def _check_known(name: str, known: Mapping[str, int] | set[str], kind: str, where: str) -> None:
    if name not in known:
        shown = ", ".join(sorted(known)[:_SHOWN]) or "none"
        more = ", ..." if len(known) > _SHOWN else ""
        raise CostTableError(
            f"there is no {kind} {name!r}", where=where, fix=f"known: {shown}{more}"
        )


def _check_size(size_bytes: int, where: str) -> None:
    """Raises CostTableError for what no memory of any machine could hold."""
    if 0 <= size_bytes <= LARGEST_SIZE:
        return
    digits = size_bytes.bit_length() * math.log10(2)
    shown = f"{size_bytes}" if digits < _SHOWN_DIGITS else f"a number of some {digits:.0f} digits"
    raise CostTableError(
        f"{shown} is not a size", where=where, fix="count the bytes: 0 to 9223372036854775807"
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
