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

from stagecut import backends
from stagecut.compiler.formats.plan_file import Plan
from stagecut.compiler.frontends.normal_form.normalise import bind
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.device import Backend, Feeds, Tensor
from stagecut.compiler.ir.errors import EngineError, ModelError, RangeFault, StageFault
from stagecut.compiler.ir.graph import Node
from stagecut.compiler.ir.plan import Manifest, PlannedStage, shape_text
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.trace import Trace
from stagecut.passes.stage.respecialise import restage
from stagecut.runtime.executor import Executor

#: The shapes of all inputs, in their order.
Shapes: TypeAlias = tuple[tuple[int, ...], ...]

#: For so many shapes, stages that were cut for one shape are kept.
_KEPT = 8


class Variant:
    """Safe to use from several threads at once.

    `stages` are those that run: the plan's own, or its `fallback`. Raises DeviceError where a
    device is missing, StageFault where an engine refuses a stage.
    """

    def __init__(self, plan: Plan, *, fallback: bool = False) -> None:
        manifest = plan.manifest
        self.manifest: Manifest = manifest
        self.stages: tuple[PlannedStage, ...] = manifest.fallback if fallback else manifest.stages
        self.shapes: Shapes = tuple(port.shape for port in manifest.inputs)
        engines = _engines(manifest, self.stages)
        stages = plan.stages(fallback=fallback)
        outputs = [port.name for port in manifest.outputs]
        self._names = [(port.inside, port.name) for port in manifest.inputs]
        self._plan = plan
        self._own = Executor(stages, outputs, engines)
        self._elsewhere = _Elsewhere(plan, stages, outputs, engines)
        self._plain: Variant | None = None

    def outputs(self, feeds: Feeds, shapes: Shapes) -> dict[str, Tensor]:
        """The outputs by name; `shapes` are those of `feeds`, which the model must admit.

        Numbers that an engine of the plan cannot hold go to its fallback. Raises EngineError
        where the model turns out not to run at these shapes.
        """
        if shapes != self.shapes:
            return self._traced(feeds, shapes)[0]
        held = {inside: feeds[name] for inside, name in self._names}
        try:
            return self._own.outputs(held)
        except RangeFault as error:
            return self._fallback(error).outputs(feeds, shapes)

    def run(self, feeds: Feeds, shapes: Shapes) -> tuple[dict[str, Tensor], Trace]:
        """As `outputs`, with what the run did and when."""
        outputs, trace = self._traced(feeds, shapes)
        return outputs, replace(trace, shapes=self._text(shapes))

    def _traced(self, feeds: Feeds, shapes: Shapes) -> tuple[dict[str, Tensor], Trace]:
        held = {inside: feeds[name] for inside, name in self._names}
        try:
            return self._own.run(held) if shapes == self.shapes else self._run(held, shapes)
        except RangeFault as error:
            return self._fallback(error)._traced(feeds, shapes)

    def _fallback(self, error: RangeFault) -> "Variant":
        """Raises `error` where there is none, or this is it."""
        if self.stages is self.manifest.fallback or not self.manifest.fallback:
            raise error
        if self._plain is None:
            self._plain = Variant(self._plan, fallback=True)
        return self._plain

    def _run(self, held: Feeds, shapes: Shapes) -> tuple[dict[str, Tensor], Trace]:
        """At shapes that were not profiled; `held` by the names that inputs have in the stages."""
        try:
            return self._elsewhere.run(held, shapes)
        except RangeFault:
            raise
        except (StageFault, ModelError) as error:
            raise EngineError(
                error.problem,
                where=f"{error.where}, with {self._text(shapes)}",
                fix=f"check that the model itself runs at these shapes; it was profiled at "
                f"{self.manifest.profiled}",
            ) from error

    def _text(self, shapes: Shapes) -> str:
        names = (name for _, name in self._names)
        return shape_text(dict(zip(names, shapes, strict=True)))


def _engines(manifest: Manifest, stages: Sequence[PlannedStage]) -> Mapping[str, Backend]:
    used = {stage.device for stage in stages}
    devices = manifest.provenance.devices
    return backends.create_all(spec for name, spec in devices.items() if name in used)


class _Elsewhere:
    """The stages of a variant at shapes that it was not profiled with; prepared when needed."""

    def __init__(
        self,
        plan: Plan,
        stages: Sequence[Stage],
        outputs: Sequence[str],
        engines: Mapping[str, Backend],
    ) -> None:
        self._plan = plan
        self._stages = stages
        self._outputs = outputs
        self._engines = engines
        self._lock = threading.Lock()
        used = (engines[stage.device] for stage in stages)
        self._open_works = not any(engine.device.basis == "modelled" for engine in used)
        self._open: Executor | None = None
        self._latest: OrderedDict[Shapes, Executor] = OrderedDict()

    def run(self, feeds: Feeds, shapes: Shapes) -> tuple[dict[str, Tensor], Trace]:
        """`feeds` by the names that inputs have in the stages, of these `shapes`."""
        if self._open_works:
            try:
                return self._for_any().run(feeds)
            except RangeFault:
                raise
            except StageFault:  # of an engine that has to know the sizes, or of the model at these
                found = self._for_these(feeds, shapes).run(feeds)
                self._open_works = False
                return found
        return self._for_these(feeds, shapes).run(feeds)

    def _for_any(self) -> Executor:
        with self._lock:
            if self._open is None:
                model = self._plan.open_model()
                stages = restage(self._stages, model, self._outputs)
                self._open = Executor(stages, self._outputs, self._engines)
            return self._open

    def _for_these(self, feeds: Feeds, shapes: Shapes) -> Executor:
        with self._lock:
            if shapes not in self._latest:
                self._latest[shapes] = self._bound_to(feeds)
            self._latest.move_to_end(shapes)
            while len(self._latest) > _KEPT:
                self._latest.popitem(last=False)
            return self._latest[shapes]

    def _bound_to(self, feeds: Feeds) -> Executor:
        program = bind(self._plan.open_model(), feeds, self._plan.manifest.provenance.model)
        nodes = {node.name: node for node in graph_of(program).nodes}
        stages = restage(self._stages, program.model, self._outputs)
        estimated = [self._estimated(stage, nodes) for stage in stages]
        return Executor(estimated, self._outputs, self._engines)

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
