"""How the optimum changes with the speed of a device or of a link: every change, and no others.

The total of a schedule is a line in the factor on the costs of a part (`scale`), so that the least
total over all schedules is a lower envelope of lines (`envelope`): exact wherever every partition
is, however close the changes lie, which no grid of samples is.

    total
      |\\                           slow: nothing runs on pim, the total does not change
      | '----.                      from the break-even on, what pim takes is part of it
      |       '-.______             fast: all runs there, and what is left are transfers
      +------------------- speed of pim
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count, pairwise

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.device import Progress, silent
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.solution import Solution
from stagecut.compiler.ir.standing import Told, nobody
from stagecut.passes.partition.partition import Partition
from stagecut.passes.sweep.envelope import Envelope, Line, envelope
from stagecut.passes.sweep.scale import Scale, check_summed

#: Speeds beyond this are no machine's, and the costs would leave what numbers can hold.
MOST_SPEED = 1e9


@dataclass(frozen=True, slots=True)
class Move:
    """A node that runs elsewhere before and after a breakpoint."""

    node: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """The speed, or the length, `at` which another schedule becomes the best, where both cost
    `total`; without `moved` nodes, it is other transfers or another order that change."""

    at: float
    total: float
    moved: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Speeds over which one schedule is the best: it costs `fixed + scaled / speed`."""

    low: float
    high: float
    fixed: float
    scaled: float
    solution: Solution

    def total(self, speed: float) -> float:
        return self.fixed + self.scaled / speed


@dataclass(frozen=True, slots=True)
class Curve:
    """The optimum by the speed of `part`, by increasing speed.

    `gap` is the largest part of a total that might still be saved anywhere: 0 where everything is
    proved. Totals are in the objective's unit.
    """

    part: str
    objective: Objective
    stretches: tuple[Stretch, ...]
    breakpoints: tuple[Breakpoint, ...]
    solves: int
    gap: float

    @property
    def low(self) -> float:
        return self.stretches[0].low

    @property
    def high(self) -> float:
        return self.stretches[-1].high

    def has(self, speed: float) -> bool:
        return self.low <= speed <= self.high

    def at(self, speed: float) -> Stretch:
        return next(each for each in self.stretches if speed <= each.high)

    @property
    def break_even(self) -> float | None:
        """The speed up to which nothing of the part is worth its time; None where something is
        from the start, or nothing ever."""
        for slow, fast in pairwise(self.stretches):
            if not slow.scaled and fast.scaled:
                return fast.low
        return None

    def elasticity(self, speed: float) -> float:
        """By how many percent the total falls where the part becomes 1 % faster."""
        stretch = self.at(speed)
        total = stretch.total(speed)
        return stretch.scaled / speed / total if total else 0.0


@dataclass(frozen=True, slots=True)
class Sweep:
    """From `low` to `high` times as fast as the table has it; `limit_s` is for each partition, and
    `told` learns how each goes, `progress` how many are done."""

    scale: Scale
    low: float
    high: float
    objective: Objective = LATENCY
    limit_s: float = 60.0
    told: Told = nobody
    progress: Progress = silent

    def __post_init__(self) -> None:
        if not 1 / MOST_SPEED <= self.low <= self.high <= MOST_SPEED:
            raise UsageError(
                f"{self.low:g}..{self.high:g} is no range of speeds",
                where=f"--scale {self.scale.part}",
                fix=f"give two numbers, the lower first, from {1 / MOST_SPEED:g} to {MOST_SPEED:g}",
            )
        check_summed(self.objective)
        if not self.objective.per_s:
            raise UsageError(
                "speed changes nothing where only energy counts",
                where="--scale",
                fix="minimise latency, or weights for both: latency=1,energy=0.5",
            )

    def __call__(self, table: CostTable) -> Curve:
        """Raises UsageError for a part that is not there, UnplaceableError as `partition` does."""
        self.scale.check(table)
        partition = Partition(self.objective, self.limit_s, self.told)
        gaps: list[float] = []
        solves = iter(self.progress(count(), f"partitions for {self.scale.part}"))

        def least(factor: float) -> Line[Solution]:
            next(solves)
            solution = partition(self.scale.applied(table, factor))
            gaps.append(solution.certificate.gap)
            scaled_s = self.scale.time_s(table, solution.schedule)
            scaled = self.objective.per_s * scaled_s
            fixed = solution.certificate.total - factor * scaled
            return Line(max(0.0, fixed), scaled, solution)

        return self._curve(envelope(least, 1 / self.high, 1 / self.low), max(gaps, default=0.0))

    def _curve(self, found: Envelope[Solution], gap: float) -> Curve:
        stretches = tuple(
            Stretch(1 / piece.high, 1 / piece.low, piece.line.fixed, piece.line.scaled, answer)
            for piece in reversed(found.pieces)
            for answer in (piece.line.answer,)
        )
        breakpoints = tuple(
            Breakpoint(fast.low, fast.total(fast.low), moved(slow.solution, fast.solution))
            for slow, fast in pairwise(stretches)
        )
        return Curve(self.scale.part, self.objective, stretches, breakpoints, found.solves, gap)


def moved(one: Solution, other: Solution) -> tuple[Move, ...]:
    """The nodes that run elsewhere in `other`."""
    before: Mapping[str, str] = one.assignment.devices
    after = other.assignment.devices
    return tuple(
        Move(node, device, after[node]) for node, device in before.items() if after[node] != device
    )
