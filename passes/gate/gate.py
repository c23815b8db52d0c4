"""Compare whole plans end to end and ship the best.

The optimum is the optimum of the cost table; that it is also the fastest on the machine is
measured here, against its rivals (contenders.py), all taking turns, until the fastest is apart from
the others or the time is up. Of plans that are as fast within the noise, the one with the fewest
stages ships. How this is decided is told in docs/gate.md.
"""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from stagecut.compiler.ir.contender import Contender, ContenderId
from stagecut.compiler.ir.device import Feeds, Progress
from stagecut.compiler.ir.machine import Basis
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.trace import Trace
from stagecut.passes.gate.build import Built
from stagecut.passes.gate.contenders import Proposal
from stagecut.passes.gate.noise import median_interval, noise
from stagecut.passes.profile.rounds import Rounds, interleave, median_and_spread

#: How much slower than the best a contender's fastest run must be for it to be out of the race.
CLEARLY = 1.1

#: As good as the best is what is slower by no more than this, if it is not told apart from it.
_AS_GOOD = 1.01

#: Threads that wake up make the time of a shorter run spread by a tenth of it and more.
_BRIEF_S = 1e-3


@dataclass(frozen=True, slots=True)
class Run:
    """One run that counts: what it did, and how much processor time it took, of all threads."""

    trace: Trace
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Gate:
    """Runs contenders interleaved; the best by the objective wins.

    A plan with modelled parts is accounted for as `Trace` says. `cpu_clock` tells the processor
    time of this process, in seconds.
    """

    clock: Callable[[], float]
    cpu_clock: Callable[[], float]
    progress: Progress
    objective: Objective = LATENCY
    rounds: Rounds = Rounds(least=5, most=17, budget_s=8.0, counted=3)

    def qualifying(self, built: Sequence[Built], feeds: Feeds) -> tuple[Contender, ...]:
        """The same, by one round."""
        return replace(self, rounds=replace(self.rounds, least=1, most=1))(built, feeds)

    def __call__(self, built: Sequence[Built], feeds: Feeds) -> tuple[Contender, ...]:
        """In the order given, one of them chosen. All have run once already."""
        runs: dict[ContenderId, list[Run]] = {each.proposal.id: [] for each in built}

        def run(contender: Built, counts: bool) -> None:
            before_s = self.cpu_clock()
            trace = contender.runner.run(feeds)[1]
            if counts:
                runs[contender.proposal.id].append(Run(trace, self.cpu_clock() - before_s))

        def contenders() -> list[Contender]:
            return [_measured(each.proposal, runs[each.proposal.id]) for each in built]

        tasks = [partial(run, each) for each in built]
        took_s = [each.run_s or 0.0 for each in built]
        if len(built) > 1:
            by_time = self.objective == LATENCY  # else a slower one may be better
            decided = partial(is_decided, contenders) if by_time else lambda: False
            left = partial(_racing, contenders, built) if by_time else None
            interleave(
                tasks, self.rounds, self.clock, self.progress, "comparing", decided, left, took_s
            )
        else:  # nothing to decide: enough runs for its own figure
            few = replace(self.rounds, most=self.rounds.least)
            interleave(tasks, few, self.clock, self.progress, "measuring", took_s=took_s)
        return choose(contenders(), self.objective)


def _racing(contenders: Callable[[], Sequence[Contender]], built: Sequence[Built]) -> list[int]:
    """Those that may still turn out to be the fastest: the others need not be timed any further.

    A contender is out when even its fastest run was slower, by a margin, than the upper end of the
    best one's confidence interval.
    """
    measured = contenders()
    best = min(measured, key=lambda contender: contender.median_s)
    limit_s = best.high_s * CLEARLY
    return [
        number
        for number, (contender, before) in enumerate(zip(measured, built, strict=True))
        if contender is best or fastest_s(contender, before) <= limit_s
    ]


def fastest_s(contender: Contender, built: Built) -> float:
    """Of all its runs, that in which it was checked among them: which may have been on inputs that
    take less, and so keeps it in a race, and puts nobody out of one."""
    return contender.min_s if built.run_s is None else min(contender.min_s, built.run_s)


def is_decided(contenders: Callable[[], Sequence[Contender]]) -> bool:
    """Whether the fastest is apart from all others, by their confidence intervals."""
    best, *others = sorted(contenders(), key=lambda each: each.median_s)
    return all(best.high_s < other.low_s for other in others)


def predicted(
    proposals: Sequence[Proposal], objective: Objective = LATENCY
) -> tuple[Contender, ...]:
    """The contenders by the cost table alone. For a table that the user hands in: the machine that
    it describes need not be this one."""
    return choose([_predicted(proposal) for proposal in proposals], objective)


def choose(contenders: Sequence[Contender], objective: Objective) -> tuple[Contender, ...]:
    """The best by the objective ships, or one as good with fewer stages; `why` says why. As good is
    what no run tells apart, and is not slower by more than a hundredth: after few runs, in a noisy
    moment, nothing can be told apart.

    The objective is taken of measured times and predicted energies. A device in a configuration for
    when it is alone ships only where it is better than as it usually is: others may come. So do
    processes for replicas only where they are better than threads.
    """

    def price(contender: Contender) -> float:
        return objective.price(contender.median_s, contender.energy_j)

    best = min(contenders, key=price)
    worst_price = min(objective.price(best.high_s, best.energy_j), _AS_GOOD * price(best))
    as_good = [contender for contender in contenders if price(contender) <= worst_price]
    chosen = min(as_good, key=lambda each: (each.stages, *_taken_from_others(each), price(each)))
    return tuple(
        replace(contender, chosen=True, why=_why(chosen, best, as_good))
        if contender is chosen
        else replace(contender, trace=None, why=_why_not(contender, chosen, as_good))
        for contender in contenders
    )


def _taken_from_others(contender: Contender) -> tuple[bool, float]:
    """Whether it has a configuration of its own, or processes, and then the processor time of a
    run."""
    if not contender.id.configuration and contender.id.hosting == "threads":
        return (False, 0.0)
    return (True, contender.cpu_s or 0.0)


def _why(chosen: Contender, best: Contender, as_good: Sequence[Contender]) -> str:
    if chosen is not best:
        fewer = chosen.stages < best.stages
        merit = "in fewer stages" if fewer else "and leaves more to other work"
        return f"as good as {best.name} within the noise, {merit}"
    others = ", ".join(contender.name for contender in as_good if contender is not chosen)
    return f"the best, though {others} may be as good" if others else "the best"


def _why_not(other: Contender, chosen: Contender, as_good: Sequence[Contender]) -> str:
    difference = versus(other, chosen)
    return f"{difference}, which is within the noise" if other in as_good else difference


def disputed(contenders: Sequence[Contender]) -> str:
    """What is odd about the runs of the two fastest, between which it was decided; empty where
    nothing is, or where they are so short that they are never quiet."""
    fastest = sorted(contenders, key=lambda each: each.median_s)[:2]
    odd = (each for each in fastest if each.noise and each.median_s > _BRIEF_S)
    return "; ".join(f"{each.name} is {each.noise}" for each in odd)


def versus(other: Contender, chosen: Contender) -> str:
    """By how much it is slower or faster than the one that ships, in words."""
    change = other.median_s / chosen.median_s - 1 if chosen.median_s else 0.0
    return f"{abs(change):.1%} {'slower' if change >= 0 else 'faster'}"


def _measured(proposal: Proposal, runs: Sequence[Run]) -> Contender:
    traces = [run.trace for run in runs]
    measured = by_samples(
        _predicted(proposal),
        [trace.latency_s for trace in traces],
        zip(*(trace.stage_s().values() for trace in traces), strict=True),
        [run.cpu_s for run in runs],
    )
    median = sorted(traces, key=lambda trace: trace.latency_s)[len(traces) // 2]
    return replace(measured, basis=traces[0].basis, trace=median)


def _predicted(proposal: Proposal) -> Contender:
    return by_costs(proposal, proposal.account.latency_s, proposal.account.basis)


def by_costs(proposal: Proposal, time_s: float, basis: Basis) -> Contender:
    """A contender that never ran: its time is what the costs say."""
    return Contender(
        id=proposal.id,
        also=proposal.also,
        stages=len(proposal.schedule.stages),
        median_s=time_s,
        low_s=time_s,
        high_s=time_s,
        min_s=time_s,
        max_s=time_s,
        runs=0,
        basis=basis,
        accounting="predicted",
        chosen=False,
        predicted_s=time_s,
        energy_j=proposal.account.energy_j,
    )


def by_samples(
    predicted: Contender,
    samples: Sequence[float],
    stages: Iterable[Sequence[float]],
    cpu_s: Sequence[float],
) -> Contender:
    """The same with what was measured: times, those of each stage, and processor times, where
    there are any."""
    median_s, spread = median_and_spread(samples)
    interval = median_interval(samples)
    return replace(
        predicted,
        median_s=median_s,
        low_s=interval.low,
        high_s=interval.high,
        noise=noise(samples),
        min_s=spread.min_s,
        max_s=max(samples),
        runs=spread.runs,
        accounting="measured",
        stage_s=tuple(map(statistics.median, stages)),
        cpu_s=statistics.median(cpu_s) if cpu_s else None,
    )
