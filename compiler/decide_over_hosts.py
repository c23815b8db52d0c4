"""Decide how inputs stream over several hosts: solve, and ship what is fastest by the costs.

CostTable of all hosts -> restrict -> ThroughputOverHosts -> that, and each host alone -> gate

There is no cluster while a plan is made: nothing is timed but this host's devices, which the costs
of all follow from. Outputs are checked here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from stagecut.compiler.arrows import Dump, Phases
from stagecut.compiler.by_costs import best_that_is_right
from stagecut.compiler.decide import Decision
from stagecut.compiler.formats.costs_json import write_costs
from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.contender import Contender, ContenderId, ContenderKind
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import AssignmentError, ScheduleError
from stagecut.compiler.ir.hosts_stream import (
    HostsAccount,
    HostsStream,
    Place,
    hosts_account,
    most_replicas,
)
from stagecut.compiler.ir.objective import THROUGHPUT
from stagecut.compiler.ir.planned_stream import PlannedStream
from stagecut.compiler.ir.stream_certificate import Limit
from stagecut.compiler.measurements import Measurements
from stagecut.passes.gate.contenders import Proposal, on_one_device
from stagecut.passes.gate.gate import by_costs, choose
from stagecut.passes.partition.restrict import Restrict
from stagecut.passes.partition.throughput.over_hosts import ThroughputOverHosts
from stagecut.passes.profile.profile import Profiled


@dataclass(frozen=True, slots=True)
class _Stream:
    """A stream that may ship; `single` is what one input of it runs through, under the name of the
    stream."""

    single: Proposal
    stream: HostsStream
    account: HostsAccount


@dataclass(frozen=True, slots=True)
class DecideOverHosts:
    """By the costs of all hosts."""

    restrict: Restrict
    tolerance: float | None
    latency: Limit | None
    phases: Phases

    def __call__(
        self, measurements: Measurements, expanded: ExpandedGraph, profiled: Profiled, dump: Dump
    ) -> Decision:
        """Raises UnplaceableError where the hosts have no room for any stream, or none is found
        within the limit on latency."""
        costs = profiled.costs
        costs_text = write_costs(costs)
        dump("costs", costs_text, "json")
        with self.phases("partition"):
            allowed = self.restrict(costs)
            solution = ThroughputOverHosts(self.latency)(allowed)
            dump("schedule", f"{solution.certificate}\n{solution.stream}")
            others = [each for each in _alone(allowed) if self._is_allowed(each.account)]
            streams = _distinct([_fastest(allowed, solution.stream, solution.account), *others])
        by_schedule = {each.single.id: each for each in streams}

        def predicted(proposals: Sequence[Proposal]) -> tuple[Contender, ...]:
            left = [by_schedule[each.id] for each in proposals]
            found = [
                by_costs(each.single, each.account.period_s, each.account.basis) for each in left
            ]
            return choose(found, THROUGHPUT)

        with self.phases("gate"):
            singles = [each.single for each in streams]
            compared = best_that_is_right(
                measurements, singles, predicted, THROUGHPUT, self.tolerance
            )
        dump("contenders", "\n".join(map(str, compared.contenders)))
        shipped = by_schedule[compared.chosen.id]
        return Decision(
            expanded,
            costs,
            costs_text,
            solution.certificate,
            {},
            tuple(replace(each, id=each.id.plain) for each in singles),
            compared,
            profiled.faults,
            _planned(shipped),
        )

    def _is_allowed(self, found: HostsAccount) -> bool:
        return self.latency is None or self.latency.allows(found.latency_s)


def _planned(shipped: _Stream) -> PlannedStream:
    found = shipped.account
    return PlannedStream(
        shipped.stream.replicas,
        (1,) * len(shipped.stream.replicas),
        found.period_s,
        found.latency_s,
        found.basis,
        found.busy,
        places=shipped.stream.places,
        loads=found.loads,
    )


def _fastest(costs: CostTable, stream: HostsStream, found: HostsAccount) -> _Stream:
    id_ = ContenderId(ContenderKind.OPTIMUM)
    return _Stream(Proposal(id_, stream.schedule, account(costs, stream.schedule)), stream, found)


def _alone(costs: CostTable) -> Iterator[_Stream]:
    """As many replicas on each device that can run everything as its host has room for."""
    weights = {
        device.name: sum(node.bytes_on(device.name) for node in costs.nodes)
        for device in costs.machine.devices
    }
    for device in costs.machine.devices:
        replicas = most_replicas(costs, device, weights[device.name])
        for proposal in on_one_device(costs, device.name, THROUGHPUT) if replicas else ():
            stream = HostsStream(proposal.schedule, ((Place(device.name, replicas),),))
            id_ = replace(proposal.id, replicas=replicas)
            try:
                found = hosts_account(costs, stream)
            except (AssignmentError, ScheduleError):
                continue
            yield _Stream(replace(proposal, id=id_), stream, found)


def _distinct(streams: Sequence[_Stream]) -> list[_Stream]:
    """The first is the optimum, and may be one of the others, too."""
    optimum, *others = streams
    same = [each.single.id for each in others if each.stream.places == optimum.stream.places]
    single = replace(optimum.single, also=tuple(same))
    left = [each for each in others if each.single.id not in same]
    return [replace(optimum, single=single), *left]
