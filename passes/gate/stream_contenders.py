"""Which streams take part in the comparison: the fastest by the costs, and replicas of the whole.

    optimum         the stream with the least period of the table
    N x DEVICE      everything on one device, as many times as there is room

Where cores are equal, and nothing has to be transferred or does not fit, no pipeline is faster than
replicas of the whole model: a stream of several stages has to show that it is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.contender import ContenderId, ContenderKind
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import ScheduleError
from stagecut.compiler.ir.objective import THROUGHPUT
from stagecut.compiler.ir.stream import (
    Hosting,
    StreamAccount,
    StreamSchedule,
    StreamSolution,
    stream_account,
)
from stagecut.compiler.ir.stream_certificate import Limit
from stagecut.passes.gate.contenders import Proposal, on_one_device


@dataclass(frozen=True, slots=True)
class StreamProposal:
    """A stream that may ship: `single` is its schedule as one run has it, `also` are the
    other contenders that came to the same stream."""

    id: ContenderId
    single: Proposal
    stream: StreamSchedule
    account: StreamAccount
    hosting: Hosting = "threads"
    also: tuple[ContenderId, ...] = ()

    def priced(self, costs: CostTable) -> "StreamProposal":
        """By other costs: the stream, and a single run of it."""
        single = replace(self.single, account=account(costs, self.stream.schedule))
        return replace(self, single=single, account=stream_account(costs, self.stream))

    @property
    def cores(self) -> int:
        """Those of all replicas."""
        return sum(load.cores for load in self.account.stages)


def replicas_of_all(costs: CostTable, limits: Sequence[Limit] = ()) -> Iterator[StreamProposal]:
    """For each device that can run everything, as many replicas as its resource has room for and
    the limits allow; where they allow none, one, which is no contender then."""
    for device in costs.machine.devices:
        for proposal in on_one_device(costs, device.name, THROUGHPUT):
            most = costs.machine.units_of[device.keeps_busy] // device.cores
            found = [
                stream
                for replicas in reversed(range(1, most + 1))
                for stream in _replicated(costs, proposal, replicas)
            ]
            within = (each for each in found if keeps_to(each, limits))
            yield from [*within, *found[-1:]][:1]


def keeps_to(proposal: StreamProposal, limits: Sequence[Limit]) -> bool:
    return all(limit.allows(proposal.account.taken(limit.name)) for limit in limits)


def _replicated(costs: CostTable, proposal: Proposal, replicas: int) -> Iterator[StreamProposal]:
    """Nothing where what it reads passes through other memories than the host's."""
    stream = StreamSchedule(proposal.schedule, (replicas,) * len(proposal.schedule.stages))
    try:
        loads = stream_account(costs, stream)
    except ScheduleError:
        return
    yield StreamProposal(replace(proposal.id, replicas=replicas), proposal, stream, loads)


def fastest(costs: CostTable, solution: StreamSolution) -> StreamProposal:
    """The solver's."""
    id_ = ContenderId(ContenderKind.OPTIMUM)
    schedule = solution.stream.schedule
    single = Proposal(id_, schedule, account(costs, schedule))
    return StreamProposal(id_, single, solution.stream, solution.account)
