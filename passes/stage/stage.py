"""Turn an assignment into stages: runs of consecutive nodes on one device.

    a:cpu  b:pim  c:cpu  d:cpu      in the graph's order: [a] [b] [c d]  3 stages
    c reads a only                  reordered:            [a c] [b] [d]  3 stages
    c and d read a only             reordered:            [a c d] [b]    2 stages

The order may be any topological one; the one in which each stage goes on for as long as its device
has nodes that are ready is taken where it makes fewer stages than the graph's own. The partition
assumed the graph's own, so what starting stages costs can only become less than it promised.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from stagecut.compiler.ir.assignment import Assignment
from stagecut.compiler.ir.device import Backend, StageProgram
from stagecut.compiler.ir.graph import Graph, Node, Value, Wiring
from stagecut.compiler.ir.schedule import Stage
from stagecut.passes.stage.extract import Cutter


@dataclass(frozen=True, slots=True)
class StageNodes:
    """`backends` say what a stage on a modelled device takes."""

    backends: Mapping[str, Backend]

    def __call__(self, graph: Graph, assignment: Assignment, cut: Cutter) -> tuple[Stage, ...]:
        order = execution_order(graph, assignment)
        runs = [list(run) for _, run in groupby(order, key=lambda node: assignment[node.name])]
        return self.of_runs(graph, runs, assignment, cut)

    def of_runs(
        self, graph: Graph, runs: Sequence[Sequence[Node]], assignment: Assignment, cut: Cutter
    ) -> tuple[Stage, ...]:
        """Stages of the given runs of nodes, each run on one device."""
        outputs = _needed_later(graph, runs)
        return tuple(
            self._stage(assignment[run[0].name], run, cut(f"stage-{index:03}", run, outputs[index]))
            for index, run in enumerate(runs)
        )

    def _stage(self, device: str, run: Sequence[Node], program: StageProgram) -> Stage:
        estimates = [self.backends[device].estimate(node) for node in run]
        known = [estimate for estimate in estimates if estimate is not None]
        return Stage(
            device=device,
            nodes=tuple(node.name for node in run),
            program=program,
            modelled_s=sum(estimate.run_s for estimate in known) if known else None,
            load_s=sum(estimate.load_s for estimate in known),
        )


def execution_order(graph: Graph, assignment: Assignment) -> tuple[Node, ...]:
    """The order in which the nodes run: the graph's, or one that makes fewer stages."""
    eager = _eager_order(graph, assignment)
    if _count_stages(eager, assignment) < _count_stages(graph.nodes, assignment):
        return eager
    return graph.nodes


def _count_stages(order: Sequence[Node], assignment: Assignment) -> int:
    return sum(1 for _ in groupby(order, key=lambda node: assignment[node.name]))


def _eager_order(graph: Graph, assignment: Assignment) -> tuple[Node, ...]:
    """Stay on a device while it has ready nodes; then go to the earliest ready node's device."""
    wiring = Wiring.of(graph.nodes)
    waiting = [
        len({wiring.producer[v.name] for v in node.inputs if v.name in wiring.producer})
        for node in graph.nodes
    ]
    ready: dict[str, list[int]] = {assignment[node.name]: [] for node in graph.nodes}
    for index, count in enumerate(waiting):
        if count == 0:
            heapq.heappush(ready[assignment[graph.nodes[index].name]], index)
    order: list[Node] = []
    device = ""
    while len(order) < len(graph.nodes):
        if not ready.get(device):
            device = min((found[0], name) for name, found in ready.items() if found)[1]
        index = heapq.heappop(ready[device])
        order.append(graph.nodes[index])
        for reader in _readers(graph.nodes[index], wiring):
            waiting[reader] -= 1
            if waiting[reader] == 0:
                heapq.heappush(ready[assignment[graph.nodes[reader].name]], reader)
    return tuple(order)


def _readers(node: Node, wiring: Wiring) -> list[int]:
    found = {reader for value in node.outputs for reader in wiring.consumers.get(value.name, ())}
    return sorted(found)


def _needed_later(graph: Graph, runs: Sequence[Sequence[Node]]) -> list[list[Value]]:
    """For each run, the values that other runs read or that the model hands back."""
    run_of = {node.name: index for index, run in enumerate(runs) for node in run}
    readers: dict[str, set[int]] = {value.name: {-1} for value in graph.outputs}
    for node in graph.nodes:
        for value in node.inputs:
            readers.setdefault(value.name, set()).add(run_of[node.name])
    return [
        [v for node in run for v in node.outputs if readers.get(v.name, set()) - {index}]
        for index, run in enumerate(runs)
    ]
