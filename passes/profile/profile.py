"""Measure what every node costs on every device, in as few whole runs as can be.

Each profile path is a complete assignment, one stage a node, so that a node's weights are as cold
as they will be in real life; paths take turns, so that a slow moment of the machine hits all of
them alike. What is modelled costs no run: its figures come from the device's model.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostTable, Endpoint, NodeCosts, Route, Spread, ValueCosts
from stagecut.compiler.ir.device import Backend, Estimate, Feeds
from stagecut.compiler.ir.errors import StageFault
from stagecut.compiler.ir.graph import Graph, Node, Value
from stagecut.compiler.ir.machine import HOST
from stagecut.compiler.ir.plan import ProfilePath
from stagecut.compiler.ir.progress import Progress
from stagecut.compiler.ir.schedule import Runner, RunnerFactory
from stagecut.compiler.ir.trace import Trace
from stagecut.passes.profile.launch import dispatch_s
from stagecut.passes.profile.paths import Path, plan_paths
from stagecut.passes.profile.rounds import Rounds, interleave, median_and_spread
from stagecut.passes.stage.extract import Cutter
from stagecut.passes.stage.stage import StageNodes

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
    """What was found, and by which runs; `faults` are candidates whose engines failed."""

    costs: CostTable
    paths: tuple[ProfilePath, ...]
    faults: tuple[Fault, ...] = ()


class Samples:
    """Times that were measured, by node and device, and by route and size."""

    def __init__(self) -> None:
        self.runs: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.moves: dict[tuple[Route, int], list[float]] = defaultdict(list)

    def add(self, trace: Trace, graph: Graph, sizes: Mapping[str, int]) -> None:
        """Take up one run of a path that has one stage a node."""
        for event in trace.events:
            if event.basis == "modelled":
                continue
            if event.kind == "stage":
                self.runs[graph.nodes[event.stage].name, event.track].append(event.duration_s)
            else:
                source, _, target = event.track.partition(">")
                self.moves[(source, target), sizes[event.name]].append(event.duration_s)


@dataclass(frozen=True, slots=True)
class Profile:
    """`build` prepares stages on their devices; `clock` is for the rounds' time budget."""

    backends: Mapping[str, Backend]
    build: RunnerFactory
    clock: Callable[[], float]
    progress: Progress
    rounds: Rounds = Rounds()

    def __call__(self, expanded: ExpandedGraph, cut: Cutter, feeds: Feeds) -> Profiled:
        """What an engine fails to run is left out and told; profiling begins anew without it.

        Raises UnplaceableError where that leaves a node no device.
        """
        faults: list[Fault] = []
        while True:
            try:
                found = self._profile(expanded, cut, feeds)
                return replace(found, faults=tuple(faults))
            except StageFault as fault:
                node = expanded.graph.nodes[fault.stage].name
                new = [Fault(node, fault.device, fault.problem)]
                if len([each for each in faults if each.device == fault.device]) >= _MOST_FAULTS:
                    new += _all_others(expanded, node, fault.device)
                for each in new:
                    expanded = expanded.without(each.node, each.device, each.reason)
                faults += new

    def _profile(self, expanded: ExpandedGraph, cut: Cutter, feeds: Feeds) -> Profiled:
        paths = plan_paths(expanded).paths
        samples = Samples()
        starts_s = {
            device.name: dispatch_s(self.backends[device.name], self.clock)
            for device in expanded.machine.devices
            if device.basis == "measured"
        }
        rounds = self._measure(expanded.graph, paths, cut, feeds, samples)
        return Profiled(
            self._table(expanded, samples, starts_s), tuple(_report(path, rounds) for path in paths)
        )

    def _measure(
        self,
        graph: Graph,
        paths: tuple[Path, ...],
        cut: Cutter,
        feeds: Feeds,
        samples: Samples,
    ) -> int:
        runners = [self._build(graph, path, cut) for path in self.progress(paths, "building paths")]
        sizes = {value.name: value.size_bytes for value in graph.values}

        def run(runner: Runner, counts: bool) -> None:
            trace = runner.run(feeds)[1]
            if counts:
                samples.add(trace, graph, sizes)

        for runner in runners:
            runner.run(feeds)  # engines settle in their first run
        tasks = [partial(run, runner) for runner in runners]
        return interleave(tasks, self.rounds, self.clock, self.progress, "profiling")

    def _build(self, graph: Graph, path: Path, cut: Cutter) -> Runner:
        stages = StageNodes(self.backends).of_runs(
            graph, [[node] for node in graph.nodes], path.assignment, cut
        )
        return self.build(stages, [value.name for value in graph.outputs])

    def _table(
        self, expanded: ExpandedGraph, samples: Samples, starts_s: Mapping[str, float]
    ) -> CostTable:
        """Every node's time held one start of a stage, which is told apart."""
        graph = expanded.graph
        devices = tuple(
            replace(device, stage_s=starts_s.get(device.name, device.stage_s))
            for device in expanded.machine.devices
        )
        return CostTable(
            name=graph.name,
            machine=replace(expanded.machine, devices=devices),
            values=tuple(self._value_costs(value, samples) for value in graph.values),
            nodes=tuple(
                self._node_costs(node, expanded.candidates[node.name], samples, starts_s)
                for node in graph.nodes
            ),
            inputs=tuple(Endpoint(value.name, HOST) for value in graph.inputs),
            outputs=tuple(Endpoint(value.name, HOST) for value in graph.outputs),
        )

    def _node_costs(
        self,
        node: Node,
        devices: tuple[str, ...],
        samples: Samples,
        starts_s: Mapping[str, float],
    ) -> NodeCosts:
        run_s: dict[str, float] = {}
        run_j: dict[str, float] = {}
        held_bytes: dict[str, int] = {}
        spreads: dict[str, Spread] = {}
        for name in devices:
            estimate = self.backends[name].estimate(node)
            if estimate is None:
                timed_s = [max(0.0, t - starts_s[name]) for t in samples.runs[node.name, name]]
                run_s[name], spreads[name] = median_and_spread(timed_s)
                power_w = self.backends[name].device.power_w
                estimate = Estimate(run_s[name], power_w and power_w * run_s[name])
            run_s[name] = estimate.run_s
            if estimate.energy_j is not None:
                run_j[name] = estimate.energy_j
            if estimate.weight_bytes is not None:
                held_bytes[name] = estimate.weight_bytes
        return NodeCosts(
            name=node.name,
            op=node.op,
            run_s=run_s,
            inputs=tuple(value.name for value in node.inputs),
            outputs=tuple(value.name for value in node.outputs),
            weight_bytes=node.weight_bytes,
            run_j=run_j,
            run_spread=spreads,
            held_bytes=held_bytes,
        )

    def _value_costs(self, value: Value, samples: Samples) -> ValueCosts:
        move_s: dict[Route, float] = {}
        move_j: dict[Route, float] = {}
        spreads: dict[Route, Spread] = {}
        for backend in self.backends.values():
            for driver in backend.links:
                route = (driver.source, driver.target)
                estimate = driver.estimate(value)
                if estimate is not None:
                    move_s[route] = estimate.run_s
                    if estimate.energy_j is not None:
                        move_j[route] = estimate.energy_j
                elif found := samples.moves.get((route, value.size_bytes)):
                    move_s[route], spreads[route] = median_and_spread(found)
        return ValueCosts(value.name, value.size_bytes, move_s, move_j, spreads)


def _all_others(expanded: ExpandedGraph, failed: str, device: str) -> list[Fault]:
    """What else the device would run, and need not."""
    return [
        Fault(name, device, "it failed on too many other nodes")
        for name, devices in expanded.candidates.items()
        if name != failed and device in devices and len(devices) > 1
    ]


def _report(path: Path, rounds: int) -> ProfilePath:
    return ProfilePath(path.name, path.reason, rounds, Counter(path.assignment.devices.values()))
