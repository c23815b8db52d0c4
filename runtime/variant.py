"""One variant of a plan, ready to run: at the shapes it was profiled with, and at others.

At the profiled shapes its own stages run. At any other, the same devices run the same parts of the
model, cut out of the plan's model with open dimensions:

    all devices real        stages with open dimensions, prepared once, serve every other shape
    some device modelled    stages are cut anew for each shape, since what a model says of a device
                            is said of one shape; the latest are kept
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import onnx_ir as ir

from stagecut.compiler.backend import Backend, Feeds, Tensor
from stagecut.compiler.errors import EngineError, StageFault
from stagecut.compiler.frontends.normalise import bind
from stagecut.compiler.frontends.view import graph_of
from stagecut.compiler.graph import Node
from stagecut.compiler.manifest import Manifest, PlannedStage, shape_text
from stagecut.compiler.plan import Plan
from stagecut.compiler.staging import Stage
from stagecut.passes.restage import restage
from stagecut.runtime.executor import Executor
from stagecut.runtime.trace import Trace

#: The shapes of all inputs, in their order.
Shapes: TypeAlias = tuple[tuple[int, ...], ...]

#: For so many shapes, stages that were cut for one shape are kept.
_KEPT = 8


class Variant:
    """Safe to use from several threads at once. Raises StageFault where an engine refuses a stage.

    `stages` are those that run: the plan's own, or its fallback.
    """

    def __init__(self, plan: Plan, engines: Mapping[str, Backend], *, fallback: bool) -> None:
        self.manifest: Manifest = plan.manifest
        self.stages: tuple[PlannedStage, ...] = (
            plan.manifest.fallback if fallback else plan.manifest.stages
        )
        self.shapes: Shapes = tuple(port.shape for port in plan.manifest.inputs)
        self._plan = plan
        self._engines = engines
        self._outputs = [port.name for port in plan.manifest.outputs]
        self._bound = plan.stages(fallback=fallback)
        self._own = self._executor(self._bound)
        self._lock = threading.Lock()
        self._model: ir.Model | None = None
        self._open: Executor | None = None
        self._others: OrderedDict[Shapes, Executor] = OrderedDict()

    def run(self, feeds: Feeds) -> tuple[dict[str, Tensor], Trace]:
        """The outputs by name, and what the run did; the model must admit the shapes of `feeds`.

        Raises ModelError or EngineError where it turns out not to run at them.
        """
        held = {port.inside: feeds[port.name] for port in self.manifest.inputs}
        shapes = tuple(tensor.shape for tensor in held.values())
        if shapes == self.shapes:
            return self._own.run(held)
        try:
            return self._executor_for(shapes, held).run(held)
        except StageFault as fault:
            given = {port.name: feeds[port.name].shape for port in self.manifest.inputs}
            raise EngineError(
                fault.problem,
                where=f"{fault.where}, with {shape_text(given)}",
                fix=f"check that the model itself runs at these shapes; it was profiled at "
                f"{self.manifest.profiled}",
            ) from fault

    def _executor_for(self, shapes: Shapes, feeds: Feeds) -> Executor:
        if self._open is not None:
            return self._open
        with self._lock:
            if self._model is None:
                self._model = self._plan.open_model()
                self._open = self._for_any_shape(self._model)
            if self._open is not None:
                return self._open
            if shapes not in self._others:
                self._others[shapes] = self._for_shapes(self._model, feeds)
            self._others.move_to_end(shapes)
            while len(self._others) > _KEPT:
                self._others.popitem(last=False)
            return self._others[shapes]

    def _for_any_shape(self, model: ir.Model) -> Executor | None:
        """None where each shape needs stages of its own."""
        used = [self._engines[stage.device] for stage in self._bound]
        if any(engine.device.basis == "modelled" for engine in used):
            return None
        try:
            return self._executor(restage(self._bound, model, self._outputs))
        except StageFault:  # an engine that wants to know the sizes
            return None

    def _for_shapes(self, model: ir.Model, feeds: Feeds) -> Executor:
        program = bind(model, feeds, self.manifest.provenance.model)
        nodes = {node.name: node for node in graph_of(program).nodes}
        stages = restage(self._bound, program.model, self._outputs)
        return self._executor([self._estimated(stage, nodes) for stage in stages])

    def _estimated(self, stage: Stage, nodes: Mapping[str, Node]) -> Stage:
        """With what a modelled device takes for it at these shapes."""
        engine = self._engines[stage.device]
        if engine.device.basis == "measured":
            return stage
        inside = [nodes[node.name or ""] for node in stage.program.model.graph]
        for node in inside:
            able = engine.supports(node)
            if not able:
                raise EngineError(
                    f"cannot run {node.name} at this shape: {able.reason}",
                    where=f"{stage.program.name} on {stage.device}",
                    fix="compile for this shape: --shape INPUT=SIZES",
                )
        estimates = [engine.estimate(node) for node in inside]
        return replace(stage, modelled_s=sum(each.run_s for each in estimates if each))

    def _executor(self, stages: Sequence[Stage]) -> Executor:
        return Executor(stages, self._outputs, self._engines)
