"""A stream: many inputs in flight through replicated stages, and the account of it.

Three stages on eight cores, two replicas of the first and four of the second:

    2 x cpu.t1  embed            call 2 ms, batch 1     an input every 1.0 ms
    4 x cpu.t1  blocks           call 4 ms, batch 1     an input every 1.0 ms
    1 x cpu.t2  head             call 6 ms, batch 8     an input every 0.75 ms

The slowest stage sets the period: 1.0 ms, 1,000 inputs a second. A call takes

    stage_s + sum of run_s over the nodes + batch * transfer_s for every value that crosses

and a stage lets an input through every call / (batch * replicas). Between stages values are in the
host's memory: a stage in another memory brings what it reads and takes back what it writes itself.
The latency at this rate is the sum of the calls, and for every stage the wait until its batch is
full: (batch - 1) * period.

The host's memory holds the weights of the stages whose devices live there, once a stage, as its
replicas share them; and for every replica of every stage what it is given and what it gives, as
large as its batch: the values that a stage reads and does not write itself, and those that it
writes for others or as outputs. What an engine keeps for itself while it runs is not counted.

An input uses of a budget what the nodes of all stages do; of energy run_j / batch of each, as a
call's is shared by its inputs, and transfer_j of every value that crosses.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from stagecut.compiler.ir.account import Account, account_beyond_budgets, check_budgets, sum_known
from stagecut.compiler.ir.costs import ENERGY, CostTable
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import ScheduleError
from stagecut.compiler.ir.machine import HOST, Basis, combined
from stagecut.compiler.ir.schedule import Run, Schedule, Stage
from stagecut.compiler.ir.stream_certificate import (
    LATENCY,
    MEMORY,
    TOLERANCE,
    WEIGHTS,
    StreamCertificate,
)
from stagecut.compiler.ir.transfers import scheduled

#: Where replicas run: in threads that call the one prepared stage, or in a process each, which may
#: keep to CPUs of its own.
Hosting: TypeAlias = Literal["threads", "processes", "pinned processes"]


#: So long takes what is in flight at least, as far as that is not more inputs than these: whoever
#: wakes to hand something on finds several, where calls take less than it takes to wake.
_HANDED_S, _MOST_HANDED = 1e-3, 32


def in_flight(
    replicas: Sequence[int],
    batches: Sequence[int],
    period_s: float,
    latency_s: float = math.inf,
    most_s: float = math.inf,
) -> int:
    """How many inputs are in flight at most, by what is known of a stream's times; without a
    latency, or a period (0), as many as keep all replicas at work. `batches` are the inputs in a
    call of each stage.

    At the planned rate `latency_s / period_s` inputs are on their way; one more waits, so that no
    replica ever does. Where more inputs are put together than were before, a batch waits for each
    replica: one that finds less begins with a single input, which takes longer by itself.

    With n in flight each takes n * period_s from end to end (J. D. C. Little, "A proof for the
    queuing formula L = λW", 1961): so that it does not take more than `most_s`, there are fewer.
    """
    pairs = [*zip(replicas, batches, strict=True)]
    put_together = (
        count * batch
        for (count, batch), before in zip(pairs, (1, *batches), strict=False)
        if batch > before
    )
    waiting = sum(put_together) or 1
    most = sum(count * batch for count, batch in pairs) + sum(batches[1:]) + waiting
    if not period_s:
        return max(most, 2)
    most = min(most, math.ceil(min(latency_s / period_s, most)) + waiting)
    most = max(most, over_at_once(period_s), 2)
    allowed = most_s * (1 + TOLERANCE) / period_s
    return most if allowed >= most else max(*batches, 1, int(allowed))


def as_planned(most_s: float, planned_s: float, seen_s: float) -> float:
    """What a limit of `most_s` is by planned times, where an input was seen to come every `seen_s`
    and not every `planned_s`."""
    return most_s * planned_s / seen_s if seen_s > planned_s else most_s


def over_at_once(period_s: float) -> int:
    """How many inputs are over in so short a time that who wakes may as well find them all."""
    return min(_MOST_HANDED, math.ceil(_HANDED_S / period_s)) if period_s else 1


@dataclass(frozen=True, slots=True)
class StreamSchedule:
    """What happens to each input, and how many replicas of each stage share the work."""

    schedule: Schedule
    replicas: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.replicas) != len(self.schedule.stages) or any(n < 1 for n in self.replicas):
            raise ScheduleError(
                f"{len(self.schedule.stages)} stages have the replicas {list(self.replicas)[:8]}",
                fix="give each stage one replica or more",
            )

    def __str__(self) -> str:
        return "\n".join(
            f"{count} x {stage.device}: {', '.join(stage.nodes)}"
            for count, stage in zip(self.replicas, self.schedule.stages, strict=True)
        )


def stream_of(table: CostTable, stages: Sequence[Stage], replicas: Sequence[int]) -> StreamSchedule:
    """Of these stages in this order; all that they pass on goes by way of the host's memory, even
    where there is a straight way between two others."""
    memories = table.machine.memory_named

    def by_way_of_host(_: str, source: str) -> Mapping[str, str]:
        return {each: source if HOST in (source, each) else HOST for each in memories}

    schedule = scheduled(table, stages, router=by_way_of_host)
    return StreamSchedule(schedule, tuple(replicas))


@dataclass(frozen=True, slots=True)
class StageLoad:
    """One stage of a stream: a call takes `call_s`, an input passes every `period_s`.

    `weight_bytes` are those in the host's memory; `passed_bytes` is what all replicas together are
    given and give.
    """

    call_s: float
    batch: int
    replicas: int
    cores: int
    basis: Basis
    weight_bytes: int
    passed_bytes: int

    @property
    def period_s(self) -> float:
        return self.call_s / (self.batch * self.replicas)


@dataclass(frozen=True, slots=True)
class StreamAccount:
    """`used` are units of each resource, those of all replicas together; `uses` is what an input
    uses of each budget, of energy where all of it is known."""

    stages: tuple[StageLoad, ...]
    used: Mapping[str, int]
    uses: Mapping[str, float]

    @property
    def period_s(self) -> float:
        """Seconds from one input to the next."""
        return max(stage.period_s for stage in self.stages)

    @property
    def inputs_per_s(self) -> float:
        return 1 / self.period_s if self.period_s else math.inf

    @property
    def latency_s(self) -> float:
        """What an input takes from end to end, at the full rate and with no queue before it."""
        waits_s = ((stage.batch - 1) * self.period_s for stage in self.stages)
        return math.fsum((*(stage.call_s for stage in self.stages), *waits_s))

    @property
    def weight_bytes(self) -> int:
        """Weights in the host's memory."""
        return sum(stage.weight_bytes for stage in self.stages)

    @property
    def memory_bytes(self) -> int:
        """What the host's memory holds: weights, and what is passed between stages."""
        return self.weight_bytes + sum(stage.passed_bytes for stage in self.stages)

    @property
    def energy_j(self) -> float | None:
        """Of an input; None where not all of it is known."""
        return self.uses.get(ENERGY)

    def taken(self, name: str) -> float:
        """What a limit of that name is held against."""
        if name == LATENCY:
            return self.latency_s
        if name == MEMORY:
            return self.memory_bytes
        return self.weight_bytes if name == WEIGHTS else self.uses[name]

    @property
    def basis(self) -> Basis:
        return combined(stage.basis for stage in self.stages)

    @property
    def busy(self) -> tuple[float, ...]:
        """The part of the time that the replicas of each stage are at work: 1 for the
        bottleneck."""
        return tuple(
            each.period_s / self.period_s if self.period_s else 1.0 for each in self.stages
        )


def stream_account(table: CostTable, stream: StreamSchedule) -> StreamAccount:
    """What a stream costs by the table; shares no code with the solver.

    Raises AssignmentError or ScheduleError where it does not fit the table or its machine.
    """
    schedule, machine = stream.schedule, table.machine
    once = account_beyond_budgets(table, schedule)
    steps = [*zip(schedule.steps, once.steps, strict=True)]
    call_s = [0.0] * len(schedule.stages)
    for step, cost in steps:
        if isinstance(step, Run):
            call_s[step.stage] += cost.time_s
    owner = _owners(table, schedule)
    for step, cost in steps:
        if not isinstance(step, Run):
            ends = [memory for memory in step.route if memory != HOST]
            stage = owner[ends[0]] if len(ends) == 1 and ends[0] in owner else None
            if stage is None:
                raise ScheduleError(
                    f"goes {step.route}, and in a stream values pass through {HOST}",
                    where=f"value {step.value}",
                    fix="use devices whose memory has a link to the host's, and back",
                )
            batch = machine.device(schedule.stages[stage].device).batch
            call_s[stage] += batch * cost.time_s
    loads = []
    used: dict[str, int] = {}
    for index, (stage_, replicas) in enumerate(zip(schedule.stages, stream.replicas, strict=True)):
        device = machine.device(stage_.device)
        cores = device.cores * replicas
        used[device.keeps_busy] = used.get(device.keeps_busy, 0) + cores
        passed_bytes = device.batch * replicas * _border_bytes(table, stage_.nodes)
        weights = (table.node_named[name].bytes_on(device.name) for name in stage_.nodes)
        weight_bytes = sum(weights) if device.memory == HOST else 0
        load = StageLoad(
            call_s[index], device.batch, replicas, cores, device.basis, weight_bytes, passed_bytes
        )
        loads.append(load)
    for name, units in used.items():
        if units > machine.units_of[name]:
            raise ScheduleError(
                f"{units} units are used, and there are {machine.units_of[name]}",
                where=f"resource {name}",
                fix="use fewer replicas, or devices that take fewer units",
            )
    uses = _uses(table, schedule, once)
    check_budgets(table, uses)
    return StreamAccount(tuple(loads), used, uses)


def _uses(table: CostTable, schedule: Schedule, once: Account) -> Mapping[str, float]:
    """Of each budget, by input; `once` is a call of every stage, with one input's transfers."""
    batches = [table.machine.device(stage.device).batch for stage in schedule.stages]
    energy_j = sum_known(
        [
            cost.energy_j / batches[step.stage]
            if isinstance(step, Run) and cost.energy_j is not None
            else cost.energy_j
            for step, cost in zip(schedule.steps, once.steps, strict=True)
        ]
    )
    names = (budget.name for budget in table.budgets if budget.name != ENERGY)
    known = {} if energy_j is None else {ENERGY: energy_j}
    return {**{name: once.uses[name] for name in names}, **known}


def _border_bytes(table: CostTable, names: tuple[str, ...]) -> int:
    """What one input passes into and out of a stage of these nodes."""
    nodes = [table.node_named[name] for name in names]
    inside = set(names)
    written = {value for node in nodes for value in node.outputs}
    lying = {end.name for end in table.inputs} | table.producer.keys()
    read = {value for node in nodes for value in node.inputs if value in lying}
    ends = {end.name for end in table.outputs}
    given = {
        value
        for value in written
        if value in ends or any(user not in inside for user in table.users.get(value, ()))
    }
    return sum(table.value(value).size_bytes for value in (read - written) | given)


def _owners(table: CostTable, schedule: Schedule) -> dict[str, int]:
    """The one stage in each memory other than the host's; raises ScheduleError for two of them."""
    owner: dict[str, int] = {}
    for index, stage in enumerate(schedule.stages):
        memory = table.machine.memory_of(stage.device)
        if memory != HOST and owner.setdefault(memory, index) != index:
            raise ScheduleError(
                "holds two stages of a stream",
                where=f"memory {memory}",
                fix="one stage at a time can use a memory other than the host's",
            )
    return owner


@dataclass(frozen=True, slots=True)
class StreamSolution:
    """The stream with the least period; `account` is the independent evaluator's. It was chosen
    from so many `candidates`, stages on devices that can run them; 0 where they were not counted.
    """

    stream: StreamSchedule
    account: StreamAccount
    certificate: StreamCertificate
    candidates: int = 0


@dataclass(frozen=True, slots=True)
class StreamRun:
    """What a stream did for a while, full all the time: `inputs` left it within `wall_s`, and
    `ran` in all, while it was filled and emptied, too.

    `call_s` is what a call of each stage took then, on average, and what it takes to hand on to the
    next one.
    """

    inputs: int
    ran: int
    wall_s: float
    call_s: tuple[float, ...]

    @property
    def period_s(self) -> float:
        """Seconds from one input to the next."""
        return self.wall_s / self.inputs


class StreamRunner(Protocol):
    """A prepared stream."""

    def run(self, feeds: Feeds, seconds: float) -> StreamRun:
        """Keep it full with the same input for about so long, at least for a few inputs."""
        ...
