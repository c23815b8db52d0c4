"""What a stream may take at the most, and the proof that none within that is faster.

Two forms of proof, which passes/partition/throughput/verify.py checks:

    potentials   without limits: the least units of the largest resource, set by set of nodes
    stretches    within limits: for a stretch of periods, the least that stages may take, as labels
                     {a, b}: 1 core and 30 µs, or 2 cores and 22 µs; any stages take one or more
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, TypeAlias

from stagecut.compiler.ir.costs import ENERGY
from stagecut.compiler.ir.solution import meets
from stagecut.compiler.ir.units import at_most, scaled, seconds, size

#: What a stream's certificate is about: pipelines whose stages hand values on in one direction; or
#: those among them whose stages are stretches of the graph's own order.
StreamScope: TypeAlias = Literal[
    "schedules with contiguous stages", "contiguous stages in the graph's order"
]

#: "latency": seconds from end to end at the stream's own rate. "memory": bytes in the host's
#: memory, weights and what passes between stages. "weights": bytes of weights in the host's memory
#: alone, which the cost table may limit. Every other name is a budget of the table, of what one
#: input uses: "energy" in joules. `StreamAccount` defines them.
LATENCY, MEMORY, WEIGHTS = "latency", "memory", "weights"
NO_BUDGETS = (LATENCY, MEMORY, WEIGHTS)

#: So many bits has a limit on a budget in its own unit, which is not below what numbers hold.
_BITS, _LEAST = 44, -600

#: A proof in ticks may be off by such a part of a period, which no claim shows.
_ROUNDED = 1e-4

#: Sums of times differ by as much with the order in which they are added up.
TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that a stream may take of something: seconds of latency, bytes, or what an input
    uses of a budget."""

    name: str
    most: float

    def __str__(self) -> str:
        if self.name == LATENCY:
            return f"{seconds(self.most)} of latency"
        if self.is_budget:
            used = scaled(self.most, "J") if self.name == ENERGY else f"{self.most:.6g}"
            return f"{used} of {self.name} an input"
        return f"{size(self.most)} of {self.name}"

    @property
    def exactly(self) -> str:
        """As it is given on the command line, with every digit that matters."""
        if self.is_budget:
            return f"{self.most:.9g}{'J' if self.name == ENERGY else ''}"
        return f"{self.most:.9g}s" if self.name == LATENCY else f"{self.most:.0f}B"

    @property
    def is_budget(self) -> bool:
        return self.name not in NO_BUDGETS

    def of_batch(self, inputs: int) -> "Limit":
        """For so many inputs at once, of which each may take as much."""
        return replace(self, most=inputs * self.most) if self.is_budget else self

    def unit(self, tick_s: float) -> float:
        """What whole numbers in labels count: ticks of latency, bytes, or of a budget so small a
        power of two that the limit is some 2 to the power of 43 of them."""
        if self.name == LATENCY:
            return tick_s
        if not self.is_budget:
            return 1.0
        bits = math.frexp(self.most)[1] if self.most else _LEAST
        return 2.0 ** (max(bits, _LEAST) - _BITS)

    @property
    def ceiling(self) -> float:
        """The most, but for rounding."""
        return self.most * (1 + TOLERANCE)

    def allows(self, amount: float) -> bool:
        return amount <= self.ceiling


def limits_of_stream(
    max_latency_s: float | None,
    max_memory_bytes: float | None,
    max_energy_j: float | None = None,
) -> tuple[Limit, ...]:
    """Those that are given."""
    given = ((LATENCY, max_latency_s), (MEMORY, max_memory_bytes), (ENERGY, max_energy_j))
    return tuple(Limit(name, float(most)) for name, most in given if most is not None)


def latency_limit(limits: Sequence[Limit]) -> Limit | None:
    """That of them which is on latency, if there is one."""
    return next((limit for limit in limits if limit.name == LATENCY), None)


def most_latency_s(limits: Sequence[Limit]) -> float:
    """Seconds; infinite without a limit of it."""
    return min((limit.most for limit in limits if limit.name == LATENCY), default=math.inf)


#: Units of each resource in the order of the machine's devices, those of interchangeable devices
#: counted together; then so much of each limit, in its unit, in the order of the certificate.
Label: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """The proof that within the limits nothing has a period below `below`, down to where the
    stretch before it ends, in ticks; the first one reaches down to 0.

    Both lists are about every set of nodes that may have run, in the order of `potentials`, and
    about stages with such a period. `rest` is what the nodes that are left take at the least, each
    respect by itself. `labels` is what may have been taken: each pipeline takes at least as much as
    one of them, in every respect, or leaves less than `rest`. For all nodes there is no label.
    """

    below: Fraction
    labels: tuple[tuple[Label, ...], ...]
    rest: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class StreamCertificate:
    """The proof that nothing in `scope` and within `limits` has a period below `period`, in ticks
    of `tick_s`.

    `potentials` says for every set of nodes that may have run (`ideals`; the smaller first, of
    equals by their bit masks), and for every number of units of the lesser resources, how many
    units of the largest one stages of a shorter period take at the least: more than there are, for
    all nodes. `stretches` stands in its place where there are limits. `lower_bound_s` holds for
    every schedule, whatever its stages. `found` is the period of the stream that the certificate
    came with: `period`, unless several limits at once were too much to search through.
    """

    period: Fraction
    tick_s: float
    potentials: tuple[tuple[int, ...], ...]
    scope: StreamScope
    lower_bound_s: float
    limits: tuple[Limit, ...] = ()
    stretches: tuple[Stretch, ...] = ()
    found: Fraction | None = None

    @property
    def period_s(self) -> float:
        return float(self.period) * self.tick_s

    def tells(self, nodes: int, period_s: float) -> bool:
        """Whether what is rounded to ticks of so many nodes is little beside `period_s`, a stream's
        by the costs as they are. It is not where others take longer than anybody would wait."""
        return nodes * self.tick_s <= _ROUNDED * period_s or not period_s

    @property
    def found_s(self) -> float:
        return float(self.period if self.found is None else self.found) * self.tick_s

    @property
    def gap(self) -> float:
        """How much shorter the period of any schedule at all could be, as a fraction."""
        if meets(self.found_s, self.lower_bound_s):
            return 0.0
        return 1 - self.lower_bound_s / self.found_s

    @property
    def open_gap(self) -> float:
        """How much shorter the period of a pipeline in `scope` could be, as a fraction: 0 where
        it is optimal."""
        return 0.0 if meets(self.found_s, self.period_s) else 1 - self.period_s / self.found_s

    @property
    def about(self) -> str:
        """One of those that it is a proof about, in words."""
        within = f" within {' and '.join(map(str, self.limits))}" if self.limits else ""
        if self.scope == "contiguous stages in the graph's order":
            return f"pipeline of stretches of the graph's order{within}"
        return f"pipeline of contiguous stages{within}"

    @property
    def claim(self) -> str:
        """What is proved, in words, and no more than that."""
        if not self.gap:
            return "optimal: no schedule is faster"
        others = f"other schedules by {at_most(self.gap)} at most"
        if self.open_gap:
            most = at_most(self.open_gap)
            return f"not proven optimal: a {self.about} is faster by {most} at most; {others}"
        best = "" if self.scope == "contiguous stages in the graph's order" else "optimal: "
        return f"{best}no {self.about} is faster; {others}"
