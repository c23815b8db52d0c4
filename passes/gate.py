"""Compare whole plans end to end and ship the fastest.

The optimum is the optimum of the cost table; that it is also the fastest on the machine is
measured here, against every device that can run the whole model alone, all taking turns.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from stagecut.compiler.assignment import Assignment
from stagecut.compiler.backend import Feeds
from stagecut.compiler.costs import CostTable
from stagecut.compiler.errors import AssignmentError
from stagecut.compiler.machine import Basis
from stagecut.compiler.manifest import Contender
from stagecut.compiler.objective import Breakdown, evaluate
from stagecut.compiler.prices import LATENCY, Objective
from stagecut.compiler.progress import Progress
from stagecut.compiler.staging import Runner, RunnerFactory, Stage
from stagecut.passes.sampling import Rounds, interleave, median_and_spread
from stagecut.runtime.trace import Trace

#: The contender that the partitioner proposes.
OPTIMUM = "optimum"


@dataclass(frozen=True, slots=True)
class Entry:
    """A plan that wants to be shipped; `energy_j` is what it is predicted to take, if known."""

    name: str
    assignment: Assignment
    stages: tuple[Stage, ...]
    energy_j: float | None = None


def entries(
    costs: CostTable, optimum: Assignment, stage: Callable[[Assignment], tuple[Stage, ...]]
) -> tuple[Entry, ...]:
    """The optimum, and each device that can run every node alone; the optimum goes by the
    device's name where it is the same plan."""
    found = {OPTIMUM: optimum}
    for device in costs.machine.devices:
        alone = {node.name: device.name for node in costs.nodes}
        if alone == dict(optimum.devices):
            found = {device.name: optimum, **{k: v for k, v in found.items() if k != OPTIMUM}}
        elif all(device.name in node.run_s for node in costs.nodes):
            found[device.name] = Assignment(alone)
    accounts = {name: _account(costs, chosen) for name, chosen in found.items()}
    return tuple(
        Entry(name, found[name], stage(found[name]), account.total_j)
        for name, account in accounts.items()
        if account is not None
    )


def _account(costs: CostTable, assignment: Assignment) -> Breakdown | None:
    """None where the weights do not fit, or a value cannot get where it has to end."""
    try:
        return evaluate(costs, assignment)
    except AssignmentError:
        return None


@dataclass(frozen=True, slots=True)
class Gate:
    """Runs the entries interleaved; the lowest price wins.

    A plan with modelled parts is accounted for as `Trace` says.
    """

    build: RunnerFactory
    clock: Callable[[], float]
    progress: Progress
    objective: Objective = LATENCY
    rounds: Rounds = Rounds(least=7, most=51, budget_s=6.0)

    def __call__(
        self, entries: Sequence[Entry], feeds: Feeds, outputs: Sequence[str]
    ) -> tuple[Contender, ...]:
        """The contenders in the order given, the one with the lowest median chosen."""
        traces: dict[str, list[Trace]] = {entry.name: [] for entry in entries}

        def run(name: str, runner: Runner) -> None:
            traces[name].append(runner.run(feeds)[1])

        runners = {
            entry.name: self.build(entry.stages, outputs)
            for entry in self.progress(entries, "building contenders")
        }
        for runner in runners.values():
            runner.run(feeds)  # engines settle in their first run
        tasks = [partial(run, name, runner) for name, runner in runners.items()]
        interleave(tasks, self.rounds, self.clock, self.progress, "comparing")
        found = [_measured(entry, traces[entry.name]) for entry in entries]
        return _choose(found, self.objective)


def predicted(
    entries: Sequence[Entry], costs: CostTable, objective: Objective = LATENCY
) -> tuple[Contender, ...]:
    """The contenders by the cost table alone, for a table that was handed in: the machine that
    it describes need not be this one."""
    return _choose([_predicted(entry, costs) for entry in entries], objective)


def _choose(contenders: Sequence[Contender], objective: Objective) -> tuple[Contender, ...]:
    """The one of the lowest price; measured times and predicted energies count towards it."""
    best = min(contenders, key=lambda each: objective.price(each.median_s, each.energy_j))
    return tuple(
        replace(each, chosen=True) if each is best else replace(each, trace=None)
        for each in contenders
    )


def _measured(entry: Entry, traces: Sequence[Trace]) -> Contender:
    samples = [trace.latency_s for trace in traces]
    median_s, spread = median_and_spread(samples)
    return Contender(
        name=entry.name,
        stages=len(entry.stages),
        median_s=median_s,
        min_s=spread.min_s,
        max_s=max(samples),
        runs=spread.runs,
        basis=traces[0].basis,
        accounting="measured",
        chosen=False,
        stage_s=_stage_medians(traces),
        trace=sorted(traces, key=lambda trace: trace.latency_s)[len(traces) // 2],
        energy_j=entry.energy_j,
    )


def _stage_medians(traces: Sequence[Trace]) -> tuple[float, ...]:
    by_stage = zip(*(trace.stage_s().values() for trace in traces), strict=True)
    return tuple(statistics.median(samples) for samples in by_stage)


def _predicted(entry: Entry, costs: CostTable) -> Contender:
    order = [node for stage in entry.stages for node in stage.nodes]
    total_s = evaluate(costs, entry.assignment, order=order).total_s
    return Contender(
        name=entry.name,
        stages=len(entry.stages),
        median_s=total_s,
        min_s=total_s,
        max_s=total_s,
        runs=0,
        basis=basis_of(costs, entry.assignment),
        accounting="predicted",
        chosen=False,
        energy_j=entry.energy_j,
    )


def basis_of(costs: CostTable, assignment: Assignment) -> Basis:
    """ "modelled" as soon as one node runs on a modelled device."""
    bases: Mapping[str, Basis] = {d.name: d.basis for d in costs.machine.devices}
    modelled = any(bases[device] == "modelled" for device in assignment.devices.values())
    return "modelled" if modelled else "measured"
