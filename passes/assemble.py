"""Put the results of a compile together as a variant of the plan."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from stagecut.compiler.ir.account import Account
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.checks import Checks, OutputDifference
from stagecut.compiler.ir.contender import Contender
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.device import Backend, StagedSchedule, StageProgram
from stagecut.compiler.ir.graph import Dims, Graph, Node, Value
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.plan import PlannedNode, PlannedRun, PlannedStage, PlannedVariant
from stagecut.compiler.ir.planned_stream import PlannedStream
from stagecut.compiler.ir.port import InputPort, Port
from stagecut.compiler.ir.precision import PlannedPrecision
from stagecut.compiler.ir.program import Program
from stagecut.compiler.ir.provenance import Circumstances, ProfilePath, Provenance
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.solution import Certificate, Totals


@dataclass(frozen=True, slots=True)
class Assemble:
    """Everything that the variant repeats or is made from.

    `program` is what was compiled, `totals` the answers of `explain`. `dims` are what the model
    declares of its inputs and outputs, where it leaves something open; `prefix` begins the names of
    the stages' files.
    """

    expanded: ExpandedGraph
    costs: CostTable
    certificate: Certificate
    paths: tuple[ProfilePath, ...]
    program: Program
    provenance: Provenance
    objective: Objective
    totals: Totals
    backends: Mapping[str, Backend]
    dims: Mapping[str, Dims]
    prefix: str = ""

    def __call__(
        self,
        shipped: tuple[StagedSchedule, Account],
        contenders: tuple[Contender, ...],
        accuracy: tuple[OutputDifference, ...],
        workarounds: tuple[str, ...],
        fallback: tuple[StagedSchedule, Account] | None,
        checks: Checks | None = None,
        circumstances: tuple[Circumstances, ...] = (),
        stream: PlannedStream | None = None,
        precision: PlannedPrecision | None = None,
    ) -> PlannedVariant:
        graph = self.expanded.graph
        chosen = next(contender for contender in contenders if contender.chosen)
        return PlannedVariant(
            name=graph.name,
            objective=str(self.objective),
            machine=self.costs.machine,
            inputs=tuple(self._input(value) for value in graph.inputs),
            outputs=tuple(map(self._output, graph.outputs)),
            run=self._run(*shipped, chosen.stage_s),
            certificate=self.certificate,
            nodes=tuple(map(self._node, graph.nodes)),
            contenders=contenders,
            profile_paths=self.paths,
            provenance=self.provenance,
            accuracy=accuracy,
            workarounds=workarounds,
            fallback=None if fallback is None else self._run(*fallback, ()),
            checks=checks,
            circumstances=circumstances,
            stream=stream,
            precision=precision,
        )

    def _input(self, value: Value) -> InputPort:
        sample = self.program.feeds[value.name].ravel()
        finite = sample[np.isfinite(sample)] if sample.dtype.kind in "iuf" else sample[:0]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        name = self.program.called.get(value.name, value.name)
        inside = "" if name == value.name else value.name
        dims = self.dims.get(value.name, ())
        optional = name in self.program.defaults
        dtype = self.program.carried.get(value.name, value.dtype)
        return InputPort(name, dtype, value.shape, low, high, inside, optional, dims=dims)

    def _output(self, value: Value) -> Port:
        dtype = self.program.carried.get(value.name, value.dtype)
        return Port(value.name, dtype, value.shape, dims=self.dims.get(value.name, ()))

    def _run(
        self, staged: StagedSchedule, account: Account, observed_s: Sequence[float]
    ) -> PlannedRun:
        graph, engines = self.expanded.graph, self.backends
        return planned_run(staged, account, observed_s, graph, engines, self.prefix)

    def _node(self, node: Node) -> PlannedNode:
        return PlannedNode(
            name=node.name,
            op=node.op,
            operators=tuple(f"{operator.op} {operator.name}" for operator in node.operators),
            flops=node.flops,
            weight_bytes=node.weight_bytes,
            run_s=self.costs.node_named[node.name].run_s,
            refusals=self.expanded.refusals[node.name],
            totals={
                name: total
                for name, total in self.totals.get(node.name, {}).items()
                if math.isfinite(total)
            },
        )


def planned_run(
    staged: StagedSchedule,
    account: Account,
    observed_s: Sequence[float],
    graph: Graph,
    engines: Mapping[str, Backend],
    prefix: str,
) -> PlannedRun:
    """A schedule as a plan has it. `observed_s` is what the gate measured for each stage; empty
    where it did not run them. `prefix` begins the names of the stages' files."""
    pairs = zip(staged.schedule.stages, staged.programs, strict=True)
    stages = tuple(
        _planned_stage(stage, program, stage_s, graph, engines, prefix)
        for (stage, program), stage_s in zip_longest(pairs, observed_s)
    )
    return PlannedRun(staged.schedule, account, stages, staged.homes)


def _planned_stage(
    stage: Stage,
    program: StageProgram,
    observed_s: float | None,
    graph: Graph,
    engines: Mapping[str, Backend],
    prefix: str,
) -> PlannedStage:
    estimates = (engines[stage.device].estimate(graph.node_named[name]) for name in stage.nodes)
    return PlannedStage(
        file=f"{prefix}{program.name}.onnx",
        inputs=tuple(map(_port, program.inputs)),
        outputs=tuple(map(_port, program.outputs)),
        load_s=math.fsum(estimate.load_s for estimate in estimates if estimate is not None),
        observed_s=observed_s,
    )


def _port(value: Value) -> Port:
    return Port(value.name, value.dtype, value.shape)
