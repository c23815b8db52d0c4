"""A variant of a plan at shapes that it was not profiled with.

The same devices run the same parts of the model, extracted from the plan's model with open
dimensions:

    stages with open dimensions      prepared once, serve every other shape
    stages for one shape             extracted anew for each, and the latest kept: where an engine
                                     has to know the sizes, or a device's model has to be asked,
                                     whose answer is about one shape
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias, TypeVar

import onnx_ir as ir

from stagecut.compiler.ir.device import Backend, Feeds, LinkDriver, StagedSchedule, Tensor
from stagecut.compiler.ir.errors import EngineError, RangeFault, StageFault
from stagecut.compiler.ir.graph import Graph, Node, Value
from stagecut.compiler.ir.machine import HOST, Route
from stagecut.compiler.ir.schedule import Transfer
from stagecut.compiler.ir.trace import Trace
from stagecut.compiler.ir.transfers import Router, route_tree
from stagecut.passes.stage.respecialise import respecialise
from stagecut.runtime.executor import Executor, Passage, link_drivers

#: The shapes of all inputs, in their order.
Shapes: TypeAlias = tuple[tuple[int, ...], ...]

Answer = TypeVar("Answer")

#: So many sets of stages that were extracted for one shape are kept.
_KEPT = 8


class UnprofiledShapes:
    """The stages of a variant at other shapes; prepared when needed.

    `open_model` gives a copy of the whole model with its open dimensions, which came from `source`.
    A modelled device is asked about its part at each shape, unless shapes `grow` from run to run:
    what it has to have room for has been counted then, and its model is asked for traces only.
    """

    def __init__(
        self,
        open_model: Callable[[], ir.Model],
        source: str,
        staged: StagedSchedule,
        outputs: Sequence[str],
        engines: Mapping[str, Backend],
        *,
        grow: bool = False,
    ) -> None:
        self._open_model = open_model
        self._source = source
        self._staged = staged
        self._outputs = outputs
        self._engines = engines
        self._drivers = link_drivers(engines.values())
        self._lock = threading.Lock()
        bases = [engine.device.basis for engine in engines.values()]
        bases += [driver.basis for driver in self._drivers.values()]
        self._is_modelled = "modelled" in bases
        self._open_works = grow or not self._is_modelled
        self.has_run = not self._open_works
        self._open: Executor | None = None
        self._latest: OrderedDict[Shapes, Executor] = OrderedDict()

    def prepare(self) -> bool:
        """Prepare the stages that serve every shape; whether there are any."""
        if self._open_works:
            try:
                self._for_any()
            except StageFault:  # the engine has to know the sizes
                self._open_works = False
                self.has_run = True
        return self._open_works

    def outputs(self, feeds: Feeds, shapes: Shapes) -> dict[str, Tensor]:
        """The outputs by name. `feeds` by the names that inputs have in the stages, of these
        `shapes`."""
        return self._carried_out(Executor.outputs, feeds, shapes)

    def run(self, feeds: Feeds, shapes: Shapes) -> tuple[dict[str, Tensor], Trace]:
        """As `outputs`, with what the run did and when."""
        if self._is_modelled:
            return self._for_these(feeds, shapes).run(feeds)
        return self._carried_out(Executor.run, feeds, shapes)

    def _carried_out(
        self, ask: Callable[[Executor, Feeds], Answer], feeds: Feeds, shapes: Shapes
    ) -> Answer:
        if self._open_works:
            try:
                answer = ask(self._for_any(), feeds)
            except RangeFault:
                raise
            except StageFault:  # the engine has to know the sizes, or the model cannot have these
                answer = ask(self._for_these(feeds, shapes), feeds)
                self._open_works = False
            self.has_run = True
            return answer
        return ask(self._for_these(feeds, shapes), feeds)

    def passage(self, feeds: Feeds, shapes: Shapes) -> Passage:
        """As `run`, a stage at a time; only once something `has_run`, for only then it is known
        whether stages with open dimensions work."""
        executor = self._for_any() if self._open_works else self._for_these(feeds, shapes)
        return executor.by_stage(feeds)

    def _for_any(self) -> Executor:
        with self._lock:
            if self._open is None:
                model = self._open_model()
                values = [v for p in self._staged.programs for v in (*p.inputs, *p.outputs)]
                staged = self._respecialised(model, values)
                self._open = Executor(staged, self._outputs, self._engines)
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
        # 22 MiB of memory, which most sessions never need
        from stagecut.compiler.frontends.normal_form.normalise import bind
        from stagecut.compiler.frontends.planning_view import graph_of

        program = bind(self._open_model(), feeds, self._source)
        homes = self._staged.homes
        program = replace(program, states=tuple(name for name in feeds if name in homes))
        graph = graph_of(program)
        staged = self._respecialised(program.model, graph.values)
        modelled_s = tuple(self._modelled_s(staged, graph))
        return Executor(replace(staged, modelled_s=modelled_s), self._outputs, self._engines)

    def _modelled_s(self, staged: StagedSchedule, graph: Graph) -> Iterator[float | None]:
        """What each step takes at these shapes where its device or link is modelled."""
        values = {value.name: value for value in graph.values}
        for step in staged.schedule.steps:
            if isinstance(step, Transfer):
                yield _estimated_s(self._drivers[step.route], values[step.value])
                continue
            program = staged.programs[step.stage]
            engine = self._engines[staged.schedule.stages[step.stage].device]
            nodes = [graph.node_named[node.name or ""] for node in program.model.graph]
            _check_support(engine, program.name, nodes)
            yield _stage_s(engine, nodes)

    def _respecialised(self, model: ir.Model, values: Iterable[Value]) -> StagedSchedule:
        memory_of = {name: engine.memory.name for name, engine in self._engines.items()}
        router = _router(self._drivers, {value.name: value for value in values})
        return respecialise(self._staged, model, self._outputs, memory_of, router)


def _check_support(engine: Backend, program: str, nodes: Sequence[Node]) -> None:
    """Raises EngineError for a node that the engine does not run, or not rightly, at this shape."""
    for node in nodes:
        able = engine.supports(node)
        if not able:
            raise EngineError(
                f"cannot run {node.name} at this shape: {able.reason}",
                where=f"{program} on {engine.device.name}",
                fix="compile for this shape: --shape INPUT=SIZES",
            )


def _stage_s(engine: Backend, nodes: Sequence[Node]) -> float | None:
    """What the nodes of a stage take by the device's model; None where it is measured."""
    if engine.device.basis == "measured":
        return None
    estimates = [engine.estimate(node) for node in nodes]
    return sum(each.run_s for each in estimates if each)


def _router(drivers: Mapping[Route, LinkDriver], values: Mapping[str, Value]) -> Router:
    """A router by the drivers' estimates; a route that would have to be measured counts as free."""
    memories = dict.fromkeys((HOST, *(memory for route in drivers for memory in route)))

    def router(name: str, source: str) -> Mapping[str, str]:
        def cost(route: Route) -> float | None:
            if route not in drivers:
                return None
            return _estimated_s(drivers[route], values[name]) or 0.0 if name in values else 0.0

        return route_tree(source, memories, cost)

    return router


def _estimated_s(driver: LinkDriver, value: Value) -> float | None:
    estimate = driver.estimate(value)
    return None if estimate is None else estimate.run_s
