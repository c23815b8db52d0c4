"""What is proved of a plan over hosts among all that hosts may do about what they hand to each
other: nodes that run on several of them, and values that are coded on their way.

costs of the model's own nodes -> Replicated, or Relaxed -> partition -> a lower bound
"""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.graph import Graph
from stagecut.compiler.ir.measured_machine import MeasuredMachine
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.ir.solution import ALL_SCHEDULES, Certificate, Scope, meets
from stagecut.compiler.ir.units import at_most
from stagecut.passes.partition.replicated import CodedCosts, Replicated
from stagecut.passes.partition.throughput.over_hosts import ThroughputOverHosts
from stagecut.passes.partition.throughput.relaxed import Relaxed
from stagecut.passes.rewrite.coded import CODINGS, can_be_coded, coded_sizes

#: Where each node runs, its home first.
Memories = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class AmongRewrites:
    """No rewritten program, in the objective's seconds, takes less than `bound_s`. `coded` says
    whether values may be coded, and `streams` what the seconds are. `free` is where nodes run in
    what was found with the bound, if it is known."""

    bound_s: float
    scope: Scope
    coded: bool
    streams: bool
    free: Memories | None = None

    def is_met(self, total_s: float) -> bool:
        return meets(total_s, self.bound_s)

    def certificate(self, total_s: float) -> Certificate | None:
        """Of a plan that takes `total_s`. None for one that takes less than any by these costs: its
        own nodes are merged otherwise, which they say nothing of."""
        exact = self.is_met(total_s)
        if exact and not meets(self.bound_s, total_s):
            return None
        gap = 0.0 if exact else 1 - self.bound_s / total_s
        return Certificate(
            "rewrites",
            total_s,
            min(self.bound_s, total_s),
            exact=exact,
            scope=self.scope,
            proof="least costs with each transfer as cheap as any rewrite could make it",
            statement=self._statement + ("" if exact else f" by more than {at_most(gap)}"),
        )

    @property
    def _statement(self) -> str:
        what = "no stream" if self.streams else "no plan"
        nodes = "nodes that are lighter than what they write, and quicker than to send it,"
        again = f"{nodes if self.streams else 'nodes'} run on several hosts"
        coded = ", or values go over links as fp16 or int8," if self.coded else ""
        return f"{what} in which {again}{coded} is faster"


@dataclass(frozen=True, slots=True)
class Rewrites:
    """What may be done: nodes run `once` that do not give the same each time, and values that are
    `coded_s` may be coded."""

    once: Set[str]
    coded_s: CodedCosts

    def for_latency(self, table: CostTable) -> AmongRewrites:
        """By the costs of the model's own nodes. Raises UnplaceableError where nothing fits, or the
        search is not done in time."""
        free = Replicated(self.once, self.coded_s, {})(table)
        return AmongRewrites(
            free.bound_s, ALL_SCHEDULES, bool(self.coded_s), streams=False, free=free.memories
        )

    def for_streams(self, table: CostTable) -> AmongRewrites:
        """As for latency."""
        solved = ThroughputOverHosts()(Relaxed(self.once, self.coded_s)(table)).certificate
        return AmongRewrites(solved.lower_bound, solved.scope, bool(self.coded_s), streams=True)

    def tried(
        self, table: CostTable, schedule: Schedule, among: AmongRewrites
    ) -> Iterator[Memories]:
        """Places of nodes from which to make a program, each looked for when it is asked for: from
        those of the schedule on, then the free ones. Raises as `for_latency` does."""
        own = self._at_home(table, schedule)
        yield own
        if among.free is not None and among.free != own:
            yield among.free

    def _at_home(self, table: CostTable, schedule: Schedule) -> Memories:
        """Where nodes run as the schedule has it, and again where that takes less than to send."""
        memory_of = table.machine.memory_of
        homes = {node: memory_of(device) for node, device in schedule.device_of.items()}
        return Replicated(self.once, {}, homes)(table).memories


def coded_costs(graph: Graph, machine: MeasuredMachine) -> CodedCosts:
    """Of every value that some node makes and that can be coded, the least of its codings."""
    made = [value for value in graph.values if value.name in graph.producer]
    return {
        value.name: {
            route: min(
                sum(map(link.transfer_s, coded_sizes(value, coding)))
                for coding in CODINGS
                if can_be_coded(value, coding)
            )
            for route, link in machine.ways.items()
        }
        for value in made
        if can_be_coded(value, "fp16")
    }
