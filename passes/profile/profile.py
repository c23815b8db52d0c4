"""Measure what every node costs on every device, in as few whole runs as can be.

Each profile path is a complete assignment with one stage for each node, so that between two runs of
a node its weights leave the CPU's caches as they do when a plan runs. Paths take turns, so that a
slow moment of the machine hits all of them alike. What is modelled costs no run: its figures come
from the device's model.

Of nodes that cost the same (kinds.py), a path may run the first alone. Then what others would have
handed on is made up, or comes from the reference where more than its size may count. Before each
run all of the model's weights are read once, as these others would have read them.
"""

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import Cost, CostTable
from stagecut.compiler.ir.device import (
    Backend,
    Feeds,
    Progress,
    Runner,
    RunnerFactory,
    StagedSchedule,
)
from stagecut.compiler.ir.errors import EngineError, StageFault
from stagecut.compiler.ir.graph import Graph, Node, Value
from stagecut.compiler.ir.machine import Device, Route
from stagecut.compiler.ir.provenance import Circumstances, ProfilePath
from stagecut.compiler.ir.schedule import Run, Stage
from stagecut.compiler.ir.trace import Trace
from stagecut.compiler.ir.transfers import scheduled
from stagecut.passes.profile.estimates import Estimates
from stagecut.passes.profile.kinds import KindOf, Representatives, only_floats_follow
from stagecut.passes.profile.launch import Starts
from stagecut.passes.profile.paths import Path, plan_paths
from stagecut.passes.profile.rounds import Rounds, interleave, median_and_spread
from stagecut.passes.profile.synthetic import synthetic_costs
from stagecut.passes.profile.table import table_of
from stagecut.passes.stage.extract import Extractor
from stagecut.passes.stage.stage import stage_programs

#: After so many faults a device is no longer asked for any node that others can run.
_MOST_FAULTS = 3


@dataclass(frozen=True, slots=True)
class Fault:
    """A node that a device claims to support, and why its engine could not run it."""

    node: str
    device: str
    reason: str

    def __str__(self) -> str:
        return f"{self.node} is not run on {self.device}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Profiled:
    """The cost table, and the runs that measured it; `faults` are candidates whose engines
    failed. The circumstances of a table that was handed in are not known."""

    costs: CostTable
    paths: tuple[ProfilePath, ...]
    faults: tuple[Fault, ...] = ()
    circumstances: Circumstances | None = None


class Samples:
    """Measured times in seconds: by node and device, and by route and size in bytes."""

    def __init__(self) -> None:
        self.runs: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.transfers: dict[tuple[Route, int], list[float]] = defaultdict(list)

    def add(self, trace: Trace, graph: Graph, sizes: Mapping[str, int]) -> None:
        """Add the events of one run of a path; its stage i is node i of `graph`."""
        for event in trace.events:
            if event.basis == "modelled":
                continue
            if event.route is None:
                self.runs[graph.nodes[event.stage].name, event.device].append(event.duration_s)
            else:
                self.transfers[event.route, sizes[event.name]].append(event.duration_s)

    def medians_s(self, device: str) -> list[float]:
        """Of the nodes that were timed on it."""
        return [statistics.median(runs) for (_, name), runs in self.runs.items() if name == device]


@dataclass(frozen=True, slots=True)
class OneOfEach:
    """What it takes to run one node of each kind only.

    `kind` tells kinds apart. `values` tells what stands in values of the graph, by name, on the
    sample inputs; it raises EngineError where it cannot. `between` is called before each run, and
    lets all of the model's weights pass through the caches.
    """

    kind: KindOf
    values: Callable[[Sequence[Value]], Feeds]
    between: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Profile:
    """`build` prepares stages on their devices; `clock` is for the rounds' time budget. Without
    `one_of_each`, every node is run."""

    backends: Mapping[str, Backend]
    build: RunnerFactory
    clock: Callable[[], float]
    progress: Progress
    rounds: Rounds = Rounds()
    one_of_each: OneOfEach | None = None

    def __call__(self, expanded: ExpandedGraph, extract: Extractor, feeds: Feeds) -> Profiled:
        """What an engine fails to run becomes a fault, and profiling begins anew without it.

        Raises UnplaceableError where that leaves a node no device.
        """
        faults: list[Fault] = []
        while True:
            try:
                profiled = self._profile(expanded, extract, feeds)
                return replace(profiled, faults=tuple(faults))
            except StageFault as fault:
                node = expanded.graph.nodes[fault.stage].name
                if fault.device not in expanded.candidates[node]:  # a relay between two others
                    raise
                new = [Fault(node, fault.device, fault.problem)]
                if len([e for e in faults if e.device == fault.device]) >= _MOST_FAULTS:
                    new += _all_others(expanded, node, fault.device)
                for other in new:
                    expanded = expanded.without(other.node, other.device, other.reason)
                faults += new

    def _profile(self, expanded: ExpandedGraph, extract: Extractor, feeds: Feeds) -> Profiled:
        estimates = Estimates.of(expanded, self.backends)
        chosen, feeds = self._chosen(expanded, feeds)
        part = chosen.expanded
        paths = plan_paths(part, chosen.of_all).paths
        measured = [each.name for each in part.machine.devices if each.basis == "measured"]
        starts = {name: Starts(self.backends[name], self.build) for name in measured}
        samples = Samples()
        try:
            runners = self._built(part, paths, extract)
            between = self.one_of_each.between if self.one_of_each and chosen.of_all else None
            runs = self._measure(part.graph, runners, starts, feeds, samples, between)
        except StageFault as fault:  # a stage of the part that is run
            node = part.graph.nodes[fault.stage]
            at = expanded.graph.nodes.index(node)
            raise StageFault(fault.problem, stage=at, device=fault.device) from fault
        return Profiled(
            self._table(expanded, samples, starts, estimates, chosen.timed_as),
            tuple(_report(path, count) for path, count in zip(paths, runs, strict=False)),
        )

    def _chosen(self, expanded: ExpandedGraph, feeds: Feeds) -> tuple[Representatives, Feeds]:
        """The nodes to be run, and what they are given; all of them where others cannot be stood
        in for."""
        if self.one_of_each is None:
            return Representatives.all_of(expanded), feeds
        chosen = Representatives.of(expanded, self.one_of_each.kind)
        given = [value for value in chosen.expanded.graph.inputs if value.name not in feeds]
        if not given:
            return chosen, feeds
        if only_floats_follow(chosen.expanded.graph, given):
            return chosen, {**feeds, **_made_up(given)}
        try:
            return chosen, {**feeds, **self.one_of_each.values(given)}
        except EngineError:
            return Representatives.all_of(expanded), feeds

    def _measure(
        self,
        graph: Graph,
        runners: list[Runner],
        starts: Mapping[str, Starts],
        feeds: Feeds,
        samples: Samples,
        between: Callable[[], None] | None,
    ) -> Sequence[int]:
        """How often each path ran so that it counted, then each start."""
        sizes = {value.name: value.size_bytes for value in graph.values}

        def run(runner: Runner, counts: bool) -> None:
            trace = runner.run(feeds)[1]
            if counts:
                samples.add(trace, graph, sizes)

        def before(number: int) -> None:
            if between is not None and number < len(runners):
                between()

        for runner in runners:
            runner.run(feeds)  # engines allocate memory and choose kernels in their first run
        tasks: list[Callable[[bool], None]] = [partial(run, runner) for runner in runners]
        tasks += [each.run for each in starts.values()]
        return interleave(tasks, self.rounds, self.clock, self.progress, "profiling", before=before)

    def _built(
        self, expanded: ExpandedGraph, paths: tuple[Path, ...], extract: Extractor
    ) -> list[Runner]:
        """Every path, prepared. Modelled steps count for 0 s: their figures come from the
        models."""
        graph, machine = expanded.graph, expanded.machine
        table = synthetic_costs(expanded, lambda candidates: candidates[0])
        modelled = {device.name for device in machine.devices if device.basis == "modelled"}
        modelled_routes = {link.route for link in machine.links if link.basis == "modelled"}
        programs = None
        runners = []
        for path in self.progress(paths, "building paths"):
            stages = [Stage(path.assignment[node.name], (node.name,)) for node in graph.nodes]
            schedule = scheduled(table, stages)
            programs = programs or stage_programs(graph, schedule, extract)  # the same for all
            modelled_s = tuple(
                0.0
                if (
                    stages[step.stage].device in modelled
                    if isinstance(step, Run)
                    else step.route in modelled_routes
                )
                else None
                for step in schedule.steps
            )
            staged = StagedSchedule(schedule, programs, modelled_s)
            runners.append(self.build(staged, [value.name for value in graph.outputs]))
        return runners

    def _table(
        self,
        expanded: ExpandedGraph,
        samples: Samples,
        starts: Mapping[str, Starts],
        estimates: Estimates,
        timed_as: Mapping[str, str],
    ) -> CostTable:
        starts_s = {name: each.time_s(samples.medians_s(name)) for name, each in starts.items()}
        powers_w = {name: backend.device.power_w for name, backend in self.backends.items()}
        return table_of(expanded, estimates, _Timed(samples, starts_s, powers_w, timed_as))


@dataclass(frozen=True, slots=True)
class _Timed:
    """What samples say. The time of a node includes the start of a stage once, which the table has
    as the device's `stage_s` instead."""

    samples: Samples
    starts_s: Mapping[str, float]
    powers_w: Mapping[str, float | None]
    timed_as: Mapping[str, str]

    def start_s(self, device: Device) -> float:
        return self.starts_s.get(device.name, device.stage_s)

    def run(self, node: Node, device: str) -> Cost:
        samples_s = self.samples.runs[self.timed_as[node.name], device]
        starts_s = self.starts_s[device]
        run_s, spread = median_and_spread([max(0.0, each - starts_s) for each in samples_s])
        power_w = self.powers_w[device]
        return Cost(run_s, power_w and power_w * run_s, spread=spread)

    def transfer(self, value: Value, route: Route) -> Cost | None:
        timed_s = self.samples.transfers.get((route, value.size_bytes))
        if not timed_s:
            return None
        time_s, spread = median_and_spread(timed_s)
        return Cost(time_s, spread=spread)


def _made_up(values: Sequence[Value]) -> Feeds:
    rng = np.random.default_rng(0)
    return {each.name: rng.random(each.shape).astype(each.dtype) for each in values}


def _all_others(expanded: ExpandedGraph, failed: str, device: str) -> list[Fault]:
    """Faults for all other nodes that the device would run and another device can."""
    return [
        Fault(name, device, "it failed on too many other nodes")
        for name, devices in expanded.candidates.items()
        if name != failed and device in devices and len(devices) > 1
    ]


def _report(path: Path, runs: int) -> ProfilePath:
    return ProfilePath(path.name, path.reason, runs, Counter(path.assignment.devices.values()))
