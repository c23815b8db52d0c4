"""Who takes part in the comparison: the optimum of the costs, and plans that might be faster.

The costs are those of nodes on their own. Engines fuse across nodes, and so a plan with longer
stages can be faster than the optimum:

    optimum                 the least total of the table
    optimum, fewer stages   the least total if starting a stage cost 1 % of it
    DEVICE                  everything on one device
    DEVICE first            everything that can on one real device, the rest where it is cheapest
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from stagecut.compiler.ir.account import Account, account
from stagecut.compiler.ir.contender import ContenderId, ContenderKind
from stagecut.compiler.ir.costs import CostTable, NodeCosts, with_error_limit
from stagecut.compiler.ir.errors import AssignmentError, ScheduleError, StagecutError
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.ir.solution import Assignment, Solution
from stagecut.passes.partition.baselines.bound import carried_out
from stagecut.passes.partition.partition import Partition

#: What starting a stage costs, as a part of the optimum, where fewer stages are wanted.
_STAGE_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Proposal:
    """A schedule that may ship, with its account; `also` are the other contenders that came to the
    same schedule."""

    id: ContenderId
    schedule: Schedule
    account: Account
    also: tuple[ContenderId, ...] = ()

    @property
    def ids(self) -> tuple[ContenderId, ...]:
        return (self.id, *self.also)

    @property
    def name(self) -> str:
        """For people: by the device where it is one alone."""
        return str(next((each for each in self.ids if each.kind is ContenderKind.SINGLE), self.id))

    def __str__(self) -> str:
        return f"{', '.join(map(str, self.ids))}: {len(self.schedule.stages)} stages"


def proposal_of(proposals: Sequence[Proposal], id_: ContenderId) -> Proposal:
    """The one with the schedule of a contender, whatever the configuration of its device."""
    return next(proposal for proposal in proposals if id_.plain in proposal.ids)


def proposals(
    costs: CostTable, optimum: Solution, objective: Objective, search_s: float = 5.0
) -> tuple[Proposal, ...]:
    """All possible ones with different schedules, the optimum first, whatever errors they are
    predicted to have. `search_s` is how long one with fewer stages may be looked for."""
    by_schedule: dict[Schedule, Proposal] = {}
    for proposal in _all(costs, optimum, objective, search_s):
        same = by_schedule.get(proposal.schedule)
        if same is None:
            by_schedule[proposal.schedule] = proposal
        else:
            by_schedule[proposal.schedule] = replace(same, also=(*same.also, proposal.id))
    return tuple(by_schedule.values())


def _all(
    costs: CostTable, optimum: Solution, objective: Objective, search_s: float
) -> Iterator[Proposal]:
    yield Proposal(ContenderId(ContenderKind.OPTIMUM), optimum.schedule, optimum.account)
    limited, costs = costs, with_error_limit(costs, None)
    alone: set[str] = set()
    for device in costs.machine.devices:
        if _runs_all(costs, device.name):
            alone.add(device.name)
            yield from on_one_device(costs, device.name, objective)
    yield from _fewer_stages(limited, optimum, objective, search_s)
    for device in costs.machine.devices:
        some = any(device.name in node.run_s for node in costs.nodes)
        if some and device.basis == "measured" and device.name not in alone:
            id_ = ContenderId(ContenderKind.FIRST, device.name)
            yield from _carried_out(id_, costs, _preferring(costs, device.name), objective)


def on_one_device(costs: CostTable, device: str, objective: Objective) -> Iterator[Proposal]:
    """Everything on it; nothing where it cannot run all, or has no room."""
    if _runs_all(costs, device):
        everywhere = Assignment({node.name: device for node in costs.nodes})
        yield from _carried_out(
            ContenderId(ContenderKind.SINGLE, device), costs, everywhere, objective
        )


def _runs_all(costs: CostTable, device: str) -> bool:
    return all(device in node.run_s for node in costs.nodes)


def _carried_out(
    id_: ContenderId, costs: CostTable, assignment: Assignment, objective: Objective
) -> Iterator[Proposal]:
    """Nothing where a budget is exceeded, or where no links lead to where a value is wanted."""
    try:
        yield Proposal(id_, *carried_out(costs, assignment, objective))
    except (AssignmentError, ScheduleError):
        return


def _preferring(costs: CostTable, device: str) -> Assignment:
    def choose(node: NodeCosts) -> str:
        return device if device in node.run_s else min(node.run_s, key=node.run_s.__getitem__)

    return Assignment({node.name: choose(node) for node in costs.nodes})


def _fewer_stages(
    costs: CostTable, optimum: Solution, objective: Objective, search_s: float
) -> Iterator[Proposal]:
    """Nothing where there is no such schedule, or it has no fewer."""
    if len(optimum.schedule.stages) == 1:
        return
    extra_s = _STAGE_SHARE * optimum.total_s
    devices = tuple(
        replace(device, stage_s=device.stage_s + extra_s) for device in costs.machine.devices
    )
    expensive = replace(costs, machine=replace(costs.machine, devices=devices))
    try:
        partition = Partition(objective, limit_s=search_s, searches_orders=False)
        schedule = partition(expensive).schedule
    except StagecutError:  # nothing found in time: there are others to compare
        return
    if len(schedule.stages) < len(optimum.schedule.stages):
        id_ = ContenderId(ContenderKind.FEWER_STAGES)
        yield Proposal(id_, schedule, account(costs, schedule))
