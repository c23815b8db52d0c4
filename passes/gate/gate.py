"""Compare whole plans end to end and ship the fastest.

The optimum is the optimum of the cost table; that it is also the fastest on the machine is
measured here, against its rivals (contenders.py), all taking turns, until the fastest is
apart from the others or the time is up. Of plans that are as fast within the noise, the one with
the fewest stages ships. How this is decided is told in docs/gate.md.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from stagecut.compiler.ir.account import evaluate
from stagecut.compiler.ir.assignment import Assignment
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import StageFault
from stagecut.compiler.ir.machine import Basis
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.plan import Contender
from stagecut.compiler.ir.progress import Progress
from stagecut.compiler.ir.schedule import Runner, RunnerFactory
from stagecut.compiler.ir.trace import Trace
from stagecut.passes.gate.contenders import Entry
from stagecut.passes.gate.noise import median_interval, unrest
from stagecut.passes.profile.rounds import Rounds, interleave, median_and_spread


@dataclass(frozen=True, slots=True)
class Compared:
    """`dropped` tells of plans that an engine failed to build or to run."""

    contenders: tuple[Contender, ...]
    dropped: tuple[str, ...] = ()

    @property
    def chosen(self) -> Contender:
        return next(contender for contender in self.contenders if contender.chosen)


@dataclass(frozen=True, slots=True)
class Gate:
    """Runs the entries interleaved; the lowest price wins.

    A plan with modelled parts is accounted for as `Trace` says.
    """

    build: RunnerFactory
    clock: Callable[[], float]
    progress: Progress
    objective: Objective = LATENCY
    rounds: Rounds = Rounds(least=5, most=17, budget_s=8.0, counted=3)

    def __call__(self, entries: Sequence[Entry], feeds: Feeds, outputs: Sequence[str]) -> Compared:
        """The contenders in the order given, one of them chosen; those that fail are dropped.

        Raises StageFault where all fail.
        """
        traces: dict[str, list[Trace]] = {entry.name: [] for entry in entries}

        def run(name: str, runner: Runner, counts: bool) -> None:
            trace = runner.run(feeds)[1]
            if counts:
                traces[name].append(trace)

        def contenders() -> list[Contender]:
            kept = (entry for entry in entries if entry.name in runners)
            return [_measured(entry, traces[entry.name]) for entry in kept]

        runners, faults = self._ready(entries, feeds, outputs)
        tasks = [partial(run, name, runner) for name, runner in runners.items()]
        enough = partial(_is_decided, contenders)
        interleave(tasks, self.rounds, self.clock, self.progress, "comparing", enough)
        dropped = (f"plan {n} is left out: {f.where}: {f.problem}" for n, f in faults.items())
        return Compared(choose(contenders(), self.objective), tuple(dropped))

    def _ready(
        self, entries: Sequence[Entry], feeds: Feeds, outputs: Sequence[str]
    ) -> tuple[dict[str, Runner], dict[str, StageFault]]:
        """Built and run once, as engines settle in their first run; or why not."""
        runners: dict[str, Runner] = {}
        faults: dict[str, StageFault] = {}
        for entry in self.progress(entries, "building contenders"):
            try:
                runner = self.build(entry.stages, outputs)
                runner.run(feeds)
                runners[entry.name] = runner
            except StageFault as fault:
                faults[entry.name] = fault
        if not runners:
            raise next(iter(faults.values()))
        return runners, faults


def _is_decided(contenders: Callable[[], Sequence[Contender]]) -> bool:
    """Whether the fastest is apart from all others, by their confidence intervals."""
    best, *others = sorted(contenders(), key=lambda each: each.median_s)
    return all(best.high_s < other.low_s for other in others)


def predicted(
    entries: Sequence[Entry], costs: CostTable, objective: Objective = LATENCY
) -> Compared:
    """The contenders by the cost table alone, for a table that was handed in: the machine that
    it describes need not be this one."""
    return Compared(choose([_predicted(entry, costs) for entry in entries], objective))


def choose(contenders: Sequence[Contender], objective: Objective) -> tuple[Contender, ...]:
    """The one of the lowest price ships, or one as good with fewer stages; each is told why.

    Measured times and predicted energies count towards the price.
    """

    def price(each: Contender) -> float:
        return objective.price(each.median_s, each.energy_j)

    best = min(contenders, key=price)
    worst_price = objective.price(best.high_s, best.energy_j)
    as_good = [each for each in contenders if price(each) <= worst_price]
    chosen = min(as_good, key=lambda each: (each.stages, price(each)))
    return tuple(
        replace(each, chosen=True, why=_why(chosen, best, as_good))
        if each is chosen
        else replace(each, trace=None, why=_why_not(each, chosen, as_good))
        for each in contenders
    )


def _why(chosen: Contender, best: Contender, as_good: Sequence[Contender]) -> str:
    if chosen is not best:
        return f"as good as {best.name} within the noise, in fewer stages"
    others = ", ".join(each.name for each in as_good if each is not chosen)
    return f"the best, though {others} may be as good" if others else "the best"


def _why_not(other: Contender, chosen: Contender, as_good: Sequence[Contender]) -> str:
    change = other.median_s / chosen.median_s - 1 if chosen.median_s else 0.0
    told = f"{abs(change):.1%} {'slower' if change >= 0 else 'faster'}"
    return f"{told}, which is within the noise" if other in as_good else told


def _measured(entry: Entry, traces: Sequence[Trace]) -> Contender:
    samples = [trace.latency_s for trace in traces]
    median_s, spread = median_and_spread(samples)
    interval = median_interval(samples)
    return Contender(
        name=entry.name,
        stages=len(entry.stages),
        median_s=median_s,
        low_s=interval.low,
        high_s=interval.high,
        unrest=unrest(samples),
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
        low_s=total_s,
        high_s=total_s,
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
