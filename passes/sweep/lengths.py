"""How the best schedule of a decode step changes with its length: every change, and no others.

Between two lengths at which costs are known, what a schedule takes is a line in the length, so that
the least is a lower envelope of lines (`envelope`), as along a speed:

    time of a step
      |          _.-- cpu               from the breakpoint on, attention is done where the
      |     _.-'   .---- pim            cache lies
      | _.-'__.--'
      +-----------------  length
            breakpoint
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count, pairwise

from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.costs_by_length import CostsByLength
from stagecut.compiler.ir.device import Progress, silent
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.solution import Solution
from stagecut.compiler.ir.standing import Told, nobody
from stagecut.passes.partition.partition import Partition
from stagecut.passes.sweep.envelope import Line, envelope
from stagecut.passes.sweep.scale import check_summed
from stagecut.passes.sweep.sweep import Breakpoint, moved


@dataclass(frozen=True, slots=True)
class LengthStretch:
    """Lengths over which one schedule is the best. `corners` are lengths with its total there, the
    ends of the stretch among them; between two of them the total is a line."""

    solution: Solution
    corners: tuple[tuple[float, float], ...]

    @property
    def low(self) -> float:
        return self.corners[0][0]

    @property
    def high(self) -> float:
        return self.corners[-1][0]


@dataclass(frozen=True, slots=True)
class LengthCurve:
    """The optimum by the length of the sequence. Totals are in the objective's unit; `gap` is the
    largest part of one that might still be saved anywhere: 0 where everything is proved."""

    objective: Objective
    stretches: tuple[LengthStretch, ...]
    breakpoints: tuple[Breakpoint, ...]
    solves: int
    gap: float


@dataclass(frozen=True, slots=True)
class LengthSweep:
    """From the shortest to the longest length of the costs; `limit_s` is for each partition, and
    `told` learns how each goes, `progress` how many are done."""

    objective: Objective = LATENCY
    limit_s: float = 60.0
    told: Told = nobody
    progress: Progress = silent

    def __post_init__(self) -> None:
        check_summed(self.objective)

    def __call__(self, costs: CostsByLength) -> LengthCurve:
        """Raises UnplaceableError as `partition` does."""
        partition = Partition(self.objective, self.limit_s, self.told)
        solved: dict[float, Solution] = {}
        solves = iter(self.progress(count(), "partitions along the length"))

        def best(length: float) -> Solution:
            if length not in solved:
                next(solves)
                solved[length] = partition(costs.at(length))
            return solved[length]

        stretches = tuple(_joined(_pieces(costs, best, self.objective)))
        breakpoints = tuple(
            Breakpoint(long.low, long.corners[0][1], moved(short.solution, long.solution))
            for short, long in pairwise(stretches)
        )
        gap = max(solution.certificate.gap for solution in solved.values())
        return LengthCurve(self.objective, stretches, breakpoints, len(solved), gap)


def _pieces(
    costs: CostsByLength, best: Callable[[float], Solution], objective: Objective
) -> Iterator[LengthStretch]:
    """The pieces of lines, by increasing length."""
    for index in range(len(costs.lengths) - 1):
        line = partial(_line, costs, index, best, objective)
        for piece in envelope(line, *costs.lengths[index : index + 2]).pieces:
            corners = tuple((at, piece.line.at(at)) for at in (piece.low, piece.high))
            yield LengthStretch(piece.line.answer, corners)


def _line(
    costs: CostsByLength,
    index: int,
    best: Callable[[float], Solution],
    objective: Objective,
    length: float,
) -> Line[Solution]:
    """What is best at `length` costs so much from the length of this index to the next one."""
    solution = best(length)
    low, high = (
        account(table, solution.schedule).total(objective)
        for table in costs.tables[index : index + 2]
    )
    short, long = costs.lengths[index : index + 2]
    slope = (high - low) / (long - short)
    return Line(low - slope * short, slope, solution)


def _joined(pieces: Iterator[LengthStretch]) -> Iterator[LengthStretch]:
    """Pieces of one schedule that follow each other are one stretch."""
    last = next(pieces)
    for piece in pieces:
        if _same(last, piece):
            last = LengthStretch(last.solution, (*last.corners, *piece.corners[1:]))
        else:
            yield last
            last = piece
    yield last


def _same(one: LengthStretch, other: LengthStretch) -> bool:
    return one.solution.schedule == other.solution.schedule
