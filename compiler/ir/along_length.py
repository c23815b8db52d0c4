"""What a plan says of its decode step along the length of the sequence: which schedule is best from
which length on, by the costs, and what the plan's own takes there."""

from collections.abc import Mapping
from dataclasses import dataclass

from stagecut.compiler.ir.amounts import Amount, Positive


@dataclass(frozen=True, slots=True)
class BestFrom:
    """From `low` to `high` tokens one schedule is the best. Totals are in the objective's unit, at
    both ends: of that schedule, and of the plan's own. `devices` is how many nodes run on each."""

    low: Positive
    high: Positive
    total: tuple[Amount, Amount]
    own_total: tuple[Amount, Amount]
    devices: Mapping[str, Positive]


@dataclass(frozen=True, slots=True)
class AlongLength:
    """`lengths` are those at which costs are known; between them they are on lines, which miss a
    length between two others by `misfit` at the most, by device. `best` are in the order of their
    lengths, without a gap."""

    lengths: tuple[Positive, ...]
    misfit: Mapping[str, Amount]
    best: tuple[BestFrom, ...]
