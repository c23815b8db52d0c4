"""What a partitioner finds: an assignment, the schedule that carries it out, and the proof.

Assignment     node -> device
Certificate    value, lower bound, gap, and what it is a proof about
Solution       a schedule with its account and its certificate
Alternatives   what the best schedule would cost with one node on each of its devices
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from stagecut.compiler.ir.account import Account
from stagecut.compiler.ir.amounts import Amount, Count, Finite
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.ir.text import html_table, printable, suggestion
from stagecut.compiler.ir.units import at_most

#: A relative difference that is no larger is rounding.
ROUNDING = 1e-9

#: Node -> device -> the least total with the node there, infinite where no schedule has it there.
Totals: TypeAlias = Mapping[str, Mapping[str, float]]

#: What a certificate is about: every assignment in every order in which the graph can run, or every
#: assignment in the one order in which the nodes stand; of streams, pipelines whose stages hand
#: values on in one direction, or those among them whose stages are stretches of the graph's order.
Scope: TypeAlias = Literal[
    "all schedules",
    "in the graph's order",
    "schedules with contiguous stages",
    "contiguous stages in the graph's order",
]
ALL_SCHEDULES: Scope = "all schedules"
GRAPH_ORDER: Scope = "in the graph's order"


@dataclass(frozen=True, slots=True)
class Assignment:
    """Node name -> device name, in the graph's order."""

    devices: Mapping[str, str]

    def __getitem__(self, node: str) -> str:
        return self.devices[node]

    def __iter__(self) -> Iterator[str]:
        return iter(self.devices)

    def __str__(self) -> str:
        return "\n".join(f"{node} -> {device}" for node, device in self.devices.items())


@dataclass(frozen=True, slots=True)
class Certificate:
    """The proof: no schedule can cost less than `lower_bound`, and this one costs `total`.

    Both are in the objective's unit (seconds for `latency`). The bound is over all schedules: every
    assignment, in every order in which the graph can run. `exact` says that the two are the same.
    `scope` is what optimality is claimed for: all schedules, where only the gap may be left; or
    the graph's order, where nothing in that order costs less and what another order might save is
    known by the gap alone. `width` is the largest number of variables that the elimination had to
    look at together, less one; None for methods without one. `proof` says where the bound comes
    from. `statement` says what is proved in the place of what follows from the rest, as where it
    holds within limits only.
    """

    method: str
    total: Amount
    lower_bound: Finite
    exact: bool
    scope: Scope = ALL_SCHEDULES
    width: Count | None = None
    proof: str = ""
    statement: str = ""

    @classmethod
    def of(
        cls,
        method: str,
        total: float,
        bound: float,
        *,
        in_order: float = -math.inf,
        width: int | None = None,
        proof: str = "",
    ) -> "Certificate":
        """`bound` is over all schedules, `in_order` over those in the graph's order."""
        exact = meets(total, bound)
        scope = GRAPH_ORDER if not exact and meets(total, in_order) else ALL_SCHEDULES
        return cls(method, total, min(bound, total), exact, scope, width, proof)

    @property
    def gap(self) -> float:
        """How much of the total might still be saved, as a fraction; 0 when it is optimal."""
        if self.exact or self.total <= self.lower_bound:
            return 0.0  # an exact total may be off its bound by rounding
        return 1 - self.lower_bound / self.total

    @property
    def claim(self) -> str:
        """What is proved, in words, and no more than that."""
        if self.statement:
            return self.statement
        if self.exact:
            return "optimal: no other schedule costs less"
        left = f"at most {at_most(self.gap)} might be saved"
        if self.scope == GRAPH_ORDER:
            return f"optimal in the graph's order; in another order {left}"
        return f"not proven optimal: {left}"

    def __str__(self) -> str:
        return f"{self.method}: total {self.total:.9g}, bound {self.lower_bound:.9g}, {self.claim}"


def meets(total: float, bound: float) -> bool:
    """Whether a total is its bound, but for rounding: they come by different ways."""
    return total <= bound or math.isclose(total, bound, rel_tol=ROUNDING)


@dataclass(frozen=True, slots=True)
class Solution:
    """`account` is the independent evaluator's, and the certificate's total is its.

    `assignment` names the nodes in the table's order, `schedule` in that in which they run.
    """

    assignment: Assignment
    schedule: Schedule
    account: Account
    certificate: Certificate
    objective: Objective

    @property
    def method(self) -> str:
        return self.certificate.method

    @property
    def total_s(self) -> float:
        return self.account.latency_s

    @property
    def total_j(self) -> float | None:
        """The energy, where all of it is known."""
        return self.account.energy_j

    def _repr_html_(self) -> str:
        """For notebooks: the total, what is proved, and the stages."""
        total = self.objective.text(self.certificate.total)
        rows = [
            (index, stage.device, len(stage.nodes), stage.nodes[0])
            for index, stage in enumerate(self.schedule.stages)
        ]
        caption = f"{self.method}: {total}; {self.certificate.claim}"
        return html_table(caption, ("stage", "device", "nodes", "first node"), rows)


def assignment_of(table: CostTable, schedule: Schedule) -> Assignment:
    """Where a complete schedule runs each node, in the table's order."""
    device_of = schedule.device_of
    names = [node.name for node in table.nodes]
    if [*device_of] == names:
        return Assignment(device_of)
    return Assignment({name: device_of[name] for name in names})


@dataclass(frozen=True, slots=True)
class Alternative:
    """One node on one device, with every other node wherever is then best.

    In the objective's unit: `own` is what the node itself costs there, `total` the least cost of
    such a schedule (infinite if there is none), `extra` how much more that is than the best one.
    """

    device: str
    own: float
    total: float
    extra: float

    @property
    def speedup(self) -> float | None:
        """How many times faster the device would have to run this node to be as good.

        1 where it is as good already; None where it would not be if it took no time at all.
        """
        if self.extra == 0:
            return 1.0
        return self.own / (self.own - self.extra) if self.extra < self.own else None


@dataclass(frozen=True, slots=True)
class Alternatives:
    """The best schedule, and every device that can run a node, by node, in the machine's order.

    `devices` are all that the machine has, by name. Totals are over all schedules, as `best` is;
    one that could not be proved is that of the best schedule found.
    """

    best: Solution
    devices: tuple[str, ...]
    by_node: Mapping[str, tuple[Alternative, ...]]

    def why(self, node: str) -> str:
        """The answer for people: a line for each device. Raises UsageError for no such node."""
        if node not in self.by_node:
            listed = f"asked about were {', '.join(list(self.by_node)[:8])}"
            raise UsageError(
                f"there is no node {node!r}", fix=suggestion(node, self.by_node, listed)
            )
        chosen = self.best.assignment[node]
        total = self.best.objective.text(self.best.certificate.total)
        lines = [f"{node} runs on {chosen}; the best plan costs {total}"]
        able = {alternative.device: alternative for alternative in self.by_node[node]}
        for device in self.devices:
            if device not in able:
                lines.append(f"  {device}: cannot run it, or is kept from it")
                continue
            alternative = able[device]
            says = "chosen" if device == chosen else self._verdict(alternative)
            own = self.best.objective.text(alternative.own)
            lines.append(f"  {device}: {own} for itself; {says}")
        return "\n".join(map(printable, lines))

    def _verdict(self, alternative: Alternative) -> str:
        if alternative.extra == 0:
            return "just as good"
        if math.isinf(alternative.total):
            return "no plan can have it there, for want of a link or of room"
        more = f"the plan would cost {self.best.objective.text(alternative.extra)} more"
        if alternative.speedup is None:
            return f"{more}; no better if it were free there"
        return f"{more}; as good if it were {alternative.speedup:.3g} times as fast there"
