"""Keep nodes to devices, or off them, before any method looks at the table.

pin    'MatMul*=pim'      every node or operator that matches runs on pim
forbid 'encoder/*=pim'    none of them does

a: cpu 3, pim 1                        a: pim 1
b: cpu 3, pim 1     pin a=pim          b: cpu 3
                    forbid b=pim
"""

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from stagecut.compiler.costs import CostTable, NodeCosts
from stagecut.compiler.errors import AssignmentError, UnplaceableError, UsageError


@dataclass(frozen=True, slots=True)
class Rule:
    """`pattern` is a node's name, an operator, or a shell pattern for either (`*`, `?`, `[ab]`)."""

    pattern: str
    device: str

    def matches(self, node: NodeCosts) -> bool:
        return any(
            name == self.pattern or fnmatchcase(name, self.pattern) for name in (node.name, node.op)
        )

    def __str__(self) -> str:
        return f"{self.pattern}={self.device}"


def parse_rule(text: str) -> Rule:
    """`PATTERN=DEVICE`; raises UsageError."""
    pattern, equals, device = text.rpartition("=")
    if not (pattern and equals and device):
        raise UsageError(
            f"{text!r} does not name nodes and a device",
            fix="write PATTERN=DEVICE, such as 'MatMul*=pim'",
        )
    return Rule(pattern.strip(), device.strip())


@dataclass(frozen=True, slots=True)
class Restrict:
    pins: tuple[Rule, ...] = ()
    forbids: tuple[Rule, ...] = ()

    def __call__(self, table: CostTable) -> CostTable:
        """The table with fewer devices for some nodes.

        Raises DeviceError for an unknown device, AssignmentError for a rule that no node matches,
        UnplaceableError where the rules leave a node no device.
        """
        for rule in (*self.pins, *self.forbids):
            table.machine.device(rule.device)
            if not any(map(rule.matches, table.nodes)):
                raise AssignmentError(
                    "no node and no operator matches",
                    where=f"rule {rule}",
                    fix="look the names up in the cost table; * stands for anything",
                )
        return replace(table, nodes=tuple(map(self._restricted, table.nodes)))

    def _restricted(self, node: NodeCosts) -> NodeCosts:
        pins = [rule for rule in self.pins if rule.matches(node)]
        forbids = [rule for rule in self.forbids if rule.matches(node)]
        run_s = {
            device: time_s
            for device, time_s in node.run_s.items()
            if all(rule.device == device for rule in pins)
            and all(rule.device != device for rule in forbids)
        }
        if not run_s:
            rules = [*(f"pin {rule}" for rule in pins), *(f"forbid {rule}" for rule in forbids)]
            raise UnplaceableError(
                f"no device is left for it by {' and '.join(rules)}",
                where=f"node {node.name} ({node.op})",
                fix=f"it can run on {', '.join(node.run_s)}: change the rules to leave one of them",
            )
        return node if len(run_s) == len(node.run_s) else replace(node, run_s=run_s)
