"""Keep nodes to devices, or off them, before any method looks at the table.

pin    'head=pim'         the node called head runs on pim, or it is an error
pin    'MatMul*=pim'      of the nodes whose name or operator matches, those that can run on pim do
forbid 'encoder/*=pim'    none of them does
pin    'name:Mul=pim'     names alone are looked at, or with 'op:Mul=pim' operators alone: in models
                          without names, the first node of each kind is called as its operator

a: cpu 3, pim 1                        a: pim 1
b: cpu 3, pim 1     pin a=pim          b: cpu 3
                    forbid b=pim
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple, TypeAlias, TypeVar

from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostTable, NodeCosts
from stagecut.compiler.ir.errors import AssignmentError, UnplaceableError, UsageError
from stagecut.compiler.ir.machine import Machine

#: What a pattern is compared with; both where it is empty.
Field: TypeAlias = Literal["", "name", "op"]
_FIELDS: tuple[Field, ...] = ("name", "op")

Cost = TypeVar("Cost")


class Choice(NamedTuple):
    """A node and the devices that can run it."""

    name: str
    op: str
    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """`pattern` is a node's name, an operator, or a shell pattern for either (`*`, `?`, `[ab]`);
    `field` says which of the two it is compared with, empty for both."""

    pattern: str
    device: str
    field: Field = ""

    def matches(self, node: Choice) -> bool:
        return self.names(node) or (self.field != "name" and self._fits(node.op))

    def names(self, node: Choice) -> bool:
        """Whether it is the node's name that matches."""
        return self.field != "op" and self._fits(node.name)

    def binds(self, node: Choice) -> bool:
        """Whether it decides about `node`: a node that the rule names, or one that matches the
        pattern and can run on the device."""
        named = self.field != "op" and node.name == self.pattern
        return named or (self.device in node.devices and self.matches(node))

    def _fits(self, text: str) -> bool:
        return text == self.pattern or fnmatchcase(text, self.pattern)

    def __str__(self) -> str:
        prefix = f"{self.field}:" if self.field else ""
        return f"{prefix}{self.pattern}={self.device}"


def parse_rule(text: str) -> Rule:
    """`PATTERN=DEVICE`, `name:PATTERN=DEVICE` or `op:PATTERN=DEVICE`; raises UsageError."""
    left, _, device = text.rpartition("=")
    field, pattern = _field(left.strip())
    if not (pattern and device.strip()):
        raise UsageError(
            f"{text!r} does not name nodes and a device",
            fix="write PATTERN=DEVICE, such as 'MatMul*=pim'",
        )
    return Rule(pattern, device.strip(), field)


def _field(text: str) -> tuple[Field, str]:
    for field in _FIELDS:
        if text.startswith(f"{field}:"):
            return field, text.removeprefix(f"{field}:")
    return "", text


def without(table: CostTable, candidates: Collection[tuple[str, str]]) -> CostTable:
    """The table in which these nodes cannot run on these devices, whatever they would cost there:
    `candidates` are pairs of both."""

    def left(node: NodeCosts, costs: Mapping[str, Cost]) -> dict[str, Cost]:
        return {name: cost for name, cost in costs.items() if (node.name, name) not in candidates}

    nodes = (
        replace(
            node,
            run_s=left(node, node.run_s),
            run_j=left(node, node.run_j),
            run_spread=left(node, node.run_spread),
            resident_bytes=left(node, node.resident_bytes),
        )
        for node in table.nodes
    )
    return replace(table, nodes=tuple(nodes))


@dataclass(frozen=True, slots=True)
class Restrict:
    """The rules, applied to a cost table or checked against an expanded graph.

    Both raise DeviceError for an unknown device, AssignmentError for a rule that matches no node,
    UnplaceableError for a pin whose device can run none of the nodes, and where a node is left
    without a device.
    """

    pins: tuple[Rule, ...] = ()
    forbids: tuple[Rule, ...] = ()

    def __call__(self, table: CostTable) -> CostTable:
        """The table with fewer devices for some nodes; the same where there are no rules."""
        if not (self.pins or self.forbids):
            return table
        choices = [Choice(node.name, node.op, tuple(node.run_s)) for node in table.nodes]
        left = self._left(choices, table.machine)
        nodes = (
            replace(node, run_s={name: node.run_s[name] for name in left[node.name]})
            for node in table.nodes
        )
        return replace(table, nodes=tuple(nodes))

    def check(self, expanded: ExpandedGraph) -> None:
        """Before anything is measured."""
        choices = [
            Choice(node.name, node.op, expanded.candidates[node.name])
            for node in expanded.graph.nodes
        ]
        self._left(choices, expanded.machine)

    def loose_pins(self, table: CostTable) -> tuple[str, ...]:
        """For people: the pins that hold only some of the nodes that match."""
        if not self.pins:
            return ()
        choices = [Choice(node.name, node.op, tuple(node.run_s)) for node in table.nodes]
        counts = (
            (rule, sum(map(rule.binds, choices)), sum(map(rule.matches, choices)))
            for rule in self.pins
        )
        return tuple(
            f"pin {rule} holds {bound} of {matching} nodes that match; {rule.device} cannot run "
            "the others"
            for rule, bound, matching in counts
            if bound < matching
        )

    def _left(self, choices: Sequence[Choice], machine: Machine) -> Mapping[str, tuple[str, ...]]:
        for rule in (*self.pins, *self.forbids):
            machine.device(rule.device)
            if not any(map(rule.matches, choices)):
                raise AssignmentError(
                    "no node and no operator matches",
                    where=f"rule {rule}",
                    fix="look the names up in the cost table; * stands for anything",
                )
        for rule in self.pins:
            if not any(map(rule.binds, choices)):
                raise UnplaceableError(
                    f"{rule.device} can run none of the nodes that match",
                    where=f"pin {rule}",
                    fix="pin them to another device",
                )
        return {node.name: self._devices(node) for node in choices}

    def _devices(self, node: Choice) -> tuple[str, ...]:
        """A pin that matches the node's name goes before one that matches only its operator."""
        binding = [rule for rule in self.pins if rule.binds(node)]
        pins = [rule for rule in binding if rule.names(node)] or binding
        forbids = [rule for rule in self.forbids if rule.binds(node)]
        left = tuple(
            device
            for device in node.devices
            if all(rule.device == device for rule in pins)
            and all(rule.device != device for rule in forbids)
        )
        if not left:
            rules = [*(f"pin {rule}" for rule in pins), *(f"forbid {rule}" for rule in forbids)]
            raise UnplaceableError(
                f"no device is left for it by {' and '.join(rules)}",
                where=f"node {node.name} ({node.op})",
                fix=f"it can run on {', '.join(node.devices)}: change the rules to leave one",
            )
        return left
