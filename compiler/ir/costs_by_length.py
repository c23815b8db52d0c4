"""The costs of a decode step along its length: how many tokens the sequence holds before it.

    length            128      1024      4096
    attention, cpu    20 us    90 us     350 us      at 2,560 tokens: 220 us
    up, cpu           70 us    70 us      70 us      at 2,560 tokens:  70 us

Between two lengths next to each other every cost lies on the line through both, so that what a
schedule takes there is a line in the length, too.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

from stagecut.compiler.ir.costs import CostTable, NodeCosts, ValueCosts
from stagecut.compiler.ir.errors import CostTableError, UsageError

Key = TypeVar("Key")


@dataclass(frozen=True)
class CostsByLength:
    """`tables` has the costs of one graph at each of `lengths`, which increase.

    All but times, energies and the sizes of values is the same in every table: what weights take in
    a memory is what they take at the longest. Raises CostTableError where it is not.
    """

    lengths: tuple[int, ...]
    tables: tuple[CostTable, ...]

    def __post_init__(self) -> None:
        if len(self.lengths) != len(self.tables) or len(self.lengths) < 2:
            raise CostTableError(
                f"there are {len(self.lengths)} lengths and {len(self.tables)} tables",
                where="lengths",
                fix="give two lengths or more, with a table for each",
            )
        if self.lengths[0] < 1 or any(one >= other for one, other in pairwise(self.lengths)):
            raise CostTableError(
                f"the lengths are {', '.join(map(str, self.lengths))}",
                where="lengths",
                fix="let them increase, from 1 on",
            )
        for length, table in zip(self.lengths[1:], self.tables[1:], strict=True):
            other = _difference(self.tables[0], table)
            if other:
                raise CostTableError(
                    f"another {other} than at {self.lengths[0]} tokens",
                    where=f"table at {length} tokens",
                    fix="make all tables of one model, with the same devices",
                )

    @property
    def low(self) -> int:
        return self.lengths[0]

    @property
    def high(self) -> int:
        return self.lengths[-1]

    def at(self, length: float) -> CostTable:
        """The table at a length; raises UsageError for one outside of those that are known."""
        if not self.low <= length <= self.high:
            raise UsageError(
                f"nothing is known of {length:g} tokens",
                where="length",
                fix=f"the costs are known from {self.low} to {self.high}",
            )
        index = min(bisect_right(self.lengths, length), len(self.lengths) - 1)
        short, long = self.lengths[index - 1 : index + 1]
        if length in {short, long}:
            return self.tables[index if length == long else index - 1]
        part = (length - short) / (long - short)
        return _between(self.tables[index - 1], self.tables[index], part)

    def misfit(self) -> Mapping[str, float]:
        """By device, how far the line through the lengths on both sides is at the most from what
        all its nodes together take at the one between, as a part of that; empty where there are
        only two lengths, through which every line goes."""
        return {
            device.name: max(self._off(device.name, index) for index in self._inner)
            for device in self.tables[0].machine.devices
            if self._inner
        }

    @property
    def _inner(self) -> range:
        return range(1, len(self.lengths) - 1)

    def _off(self, device: str, index: int) -> float:
        before, here, behind = (
            math.fsum(node.run_s[device] for node in table.nodes if device in node.run_s)
            for table in self.tables[index - 1 : index + 2]
        )
        short, length, long = self.lengths[index - 1 : index + 2]
        line = _mix(before, behind, (length - short) / (long - short))
        return abs(line - here) / here if here else 0.0


def _difference(one: CostTable, other: CostTable) -> str:
    """What of it is not the same; empty where all is."""
    if one.machine != other.machine:
        return "machine"
    if (one.inputs, one.outputs, one.budgets) != (other.inputs, other.outputs, other.budgets):
        return "border"
    if [*map(_fixed_of_value, one.values)] != [*map(_fixed_of_value, other.values)]:
        return "set of values"
    if [*map(_fixed_of_node, one.nodes)] != [*map(_fixed_of_node, other.nodes)]:
        return "set of nodes"
    return ""


def _fixed_of_value(value: ValueCosts) -> tuple[object, ...]:
    return value.name, {*value.transfer_s}, {*value.transfer_j}


def _fixed_of_node(node: NodeCosts) -> NodeCosts:
    return replace(
        node,
        run_s=dict.fromkeys(node.run_s, 0.0),
        run_j=dict.fromkeys(node.run_j, 0.0),
        run_spread={},
    )


def _between(short: CostTable, long: CostTable, part: float) -> CostTable:
    """`part` of the way from one table to the other. What was measured lies at neither end's
    spread, so that there is none."""
    return replace(
        short,
        values=tuple(
            replace(
                one,
                size_bytes=round(_mix(one.size_bytes, other.size_bytes, part)),
                transfer_s=_mixed(one.transfer_s, other.transfer_s, part),
                transfer_j=_mixed(one.transfer_j, other.transfer_j, part),
                transfer_spread={},
            )
            for one, other in zip(short.values, long.values, strict=True)
        ),
        nodes=tuple(
            replace(
                one,
                run_s=_mixed(one.run_s, other.run_s, part),
                run_j=_mixed(one.run_j, other.run_j, part),
                run_spread={},
            )
            for one, other in zip(short.nodes, long.nodes, strict=True)
        ),
    )


def _mixed(one: Mapping[Key, float], other: Mapping[Key, float], part: float) -> dict[Key, float]:
    return {key: _mix(cost, other[key], part) for key, cost in one.items()}


def _mix(one: float, other: float, part: float) -> float:
    """The same number where both are, to the last bit."""
    return one + part * (other - one)
