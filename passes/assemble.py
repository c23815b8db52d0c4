"""Write down everything that was found out as the manifest of a plan."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np

from stagecut.compiler.ir.account import Copy, evaluate
from stagecut.compiler.ir.assignment import Assignment, Certificate
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostTable, NodeCosts
from stagecut.compiler.ir.graph import Dims, Node, Value
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.plan import (
    Contender,
    InputPort,
    Manifest,
    OutputError,
    PlannedCopy,
    PlannedNode,
    PlannedStage,
    Port,
    ProfilePath,
    Provenance,
)
from stagecut.compiler.ir.program import Program
from stagecut.compiler.ir.schedule import Stage
from stagecut.passes.gate.gate import basis_of
from stagecut.passes.partition.explain import Totals


@dataclass(frozen=True, slots=True)
class Assemble:
    """What the plan was made from.

    `program` is what was compiled. `dims` are what the model declares of its inputs and outputs,
    where it leaves something open; `prefix` begins the names of the stages' files.
    """

    expanded: ExpandedGraph
    costs: CostTable
    certificate: Certificate
    paths: tuple[ProfilePath, ...]
    program: Program
    provenance: Provenance
    objective: Objective
    totals: Totals
    dims: Mapping[str, Dims]
    prefix: str = ""

    def __call__(
        self,
        assignment: Assignment,
        stages: Sequence[Stage],
        contenders: tuple[Contender, ...],
        accuracy: tuple[OutputError, ...],
        workarounds: tuple[str, ...],
        fallback: Sequence[Stage],
    ) -> Manifest:
        order = [node for stage in stages for node in stage.nodes]
        breakdown = evaluate(self.costs, assignment, order=order, objective=self.objective)
        chosen = next(contender for contender in contenders if contender.chosen)
        graph = self.expanded.graph
        return Manifest(
            name=graph.name,
            objective=str(self.objective),
            predicted_s=breakdown.total_s,
            basis=basis_of(self.costs, assignment),
            machine=self.costs.machine,
            inputs=tuple(self._input(value) for value in graph.inputs),
            outputs=tuple(
                replace(_port(value), dims=self.dims.get(value.name, ())) for value in graph.outputs
            ),
            stages=self._stages(stages, chosen.stage_s),
            nodes=self._nodes(assignment, stages),
            copies=self._copies(breakdown.copies),
            contenders=contenders,
            profile_paths=self.paths,
            certificate=self.certificate,
            method=chosen.name,
            provenance=self.provenance,
            predicted_j=breakdown.total_j,
            accuracy=accuracy,
            workarounds=workarounds,
            fallback=self._stages(fallback, ()),
            as_built_s=chosen.median_s if chosen.accounting == "measured" else None,
        )

    def _input(self, value: Value) -> InputPort:
        sample = self.program.feeds[value.name]
        ranged = sample.size > 0 and np.issubdtype(sample.dtype, np.number)
        low, high = (float(sample.min()), float(sample.max())) if ranged else (0.0, 1.0)
        name = self.program.called.get(value.name, value.name)
        inside = "" if name == value.name else value.name
        dims = self.dims.get(value.name, ())
        return InputPort(name, value.dtype, value.shape, low, high, inside, dims=dims)

    def _stages(
        self, stages: Sequence[Stage], measured_s: Sequence[float]
    ) -> tuple[PlannedStage, ...]:
        """With what the gate measured for each stage, where it ran them."""
        nodes = {node.name: node for node in self.costs.nodes}
        return tuple(
            PlannedStage(
                index=index,
                device=stage.device,
                file=f"{self.prefix}{stage.program.name}.onnx",
                nodes=stage.nodes,
                inputs=tuple(map(_port, stage.program.inputs)),
                outputs=tuple(map(_port, stage.program.outputs)),
                predicted_s=math.fsum(nodes[name].run_s[stage.device] for name in stage.nodes),
                basis=self.costs.machine.device(stage.device).basis,
                energy_j=_energy_j([nodes[name] for name in stage.nodes], stage.device),
                load_s=stage.load_s,
                as_built_s=as_built_s,
            )
            for index, (stage, as_built_s) in enumerate(zip_longest(stages, measured_s))
        )

    def _nodes(self, assignment: Assignment, stages: Sequence[Stage]) -> tuple[PlannedNode, ...]:
        stage_of = {name: index for index, stage in enumerate(stages) for name in stage.nodes}
        costs = {node.name: node for node in self.costs.nodes}
        return tuple(
            self._node(node, assignment[node.name], stage_of[node.name], costs[node.name].run_s)
            for node in self.expanded.graph.nodes
        )

    def _node(self, node: Node, device: str, stage: int, run_s: Mapping[str, float]) -> PlannedNode:
        return PlannedNode(
            name=node.name,
            op=node.op,
            device=device,
            stage=stage,
            operators=tuple(f"{operator.op} {operator.name}" for operator in node.operators),
            flops=node.flops,
            weight_bytes=node.weight_bytes,
            run_s=run_s,
            refusals=self.expanded.refusals[node.name],
            totals={
                name: total
                for name, total in self.totals.get(node.name, {}).items()
                if math.isfinite(total)
            },
        )

    def _copies(self, copies: Sequence[Copy]) -> tuple[PlannedCopy, ...]:
        sizes = {value.name: value.size_bytes for value in self.costs.values}
        return tuple(
            PlannedCopy(
                copy.value,
                copy.source,
                copy.target,
                sizes[copy.value],
                copy.move_s,
                self.expanded.links.get((copy.source, copy.target), "modelled"),
            )
            for copy in copies
        )


def _port(value: Value) -> Port:
    return Port(value.name, value.dtype, value.shape)


def _energy_j(nodes: Sequence[NodeCosts], device: str) -> float | None:
    """Joules, where they are known for every node."""
    known = [node.run_j[device] for node in nodes if device in node.run_j]
    return math.fsum(known) if len(known) == len(nodes) else None
