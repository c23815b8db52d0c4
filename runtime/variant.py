"""One variant of a plan, ready to run at the shapes it was profiled with, and at any other."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from stagecut import backends
from stagecut.compiler.formats.plan_file import StoredVariant
from stagecut.compiler.ir.device import (
    Backend,
    Feeds,
    Listener,
    Progress,
    StagedSchedule,
    Tensor,
    silent,
)
from stagecut.compiler.ir.errors import (
    DeviceError,
    EngineError,
    ModelError,
    PlanError,
    RangeFault,
    ShapeError,
    StagecutError,
    StageFault,
)
from stagecut.compiler.ir.machine import HOST, Route
from stagecut.compiler.ir.plan import PlannedRun, PlannedVariant
from stagecut.compiler.ir.planned_stream import PlannedStream
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.ir.stream_trace import StreamTrace
from stagecut.compiler.ir.text import shape_text
from stagecut.compiler.ir.trace import Trace
from stagecut.runtime.executor import Executor, Passage, link_drivers
from stagecut.runtime.form import Form
from stagecut.runtime.hosts.cluster import Cluster
from stagecut.runtime.hosts.executor import HostsExecutor
from stagecut.runtime.hosts.over_hosts import OverHosts, devices_of, far_devices
from stagecut.runtime.place import Place
from stagecut.runtime.prepare import guarded_transfer
from stagecut.runtime.processes.processes import Processes
from stagecut.runtime.unprofiled_shapes import Shapes, UnprofiledShapes

Answer = TypeVar("Answer")


class Variant:
    """A variant with its stages prepared; safe to use from several threads at once.

    `running` is what runs: the plan's own schedule, or with `fallback` the one that stands in for
    it. One that `grows` is for inputs whose shapes differ from run to run: where stages serve every
    shape, they serve the profiled one, too, and weights are prepared once. `listener` is told what
    devices are asked to make. Raises DeviceError where a device is missing, StageFault where an
    engine refuses a stage.
    """

    def __init__(
        self,
        stored: StoredVariant,
        *,
        fallback: bool = False,
        grows: bool = False,
        cluster: Cluster | None = None,
        progress: Progress = silent,
        listener: Listener = backends.UNHEARD,
    ) -> None:
        planned = stored.planned
        staged = stored.staged(fallback=fallback)
        outputs = [port.name for port in planned.outputs]
        self.planned: PlannedVariant = planned
        self.running: PlannedRun = (planned.fallback if fallback else None) or planned.run
        streamed = None if fallback else planned.stream
        far = far_devices(planned.machine, staged.schedule, streamed)
        if far and cluster is None:
            raise DeviceError(
                f"it runs on other hosts: {', '.join(far)}",
                where=f"plan {planned.name}",
                fix="run it with --cluster auto, or Session(plan, cluster='auto')",
            )
        running = devices_of(staged.schedule, streamed)
        engines = _engines(planned, staged.schedule, running, far, listener)
        self._drivers = link_drivers(engines.values())
        self.shapes: Shapes = tuple(port.shape for port in planned.inputs)
        self._names = [(port.inside, port.name) for port in planned.inputs]
        self._renames = any(inside != name for inside, name in self._names)
        self._stored = stored
        self._grows = grows
        self._listener = listener
        self._hosts: OverHosts | None = None
        self._processes = None if far else _processes(self, staged, engines)
        self._unprofiled = UnprofiledShapes(
            stored.open_model, planned.provenance.model, staged, outputs, engines, grow=grows
        )
        self._profiled: Executor | HostsExecutor | None = None
        if cluster is not None and far:
            self._hosts = OverHosts(
                planned, self.running, streamed, staged, engines, cluster, progress
            )
            self._profiled = self._hosts.executor
        self._in_stream: Executor | HostsExecutor | None = self._profiled
        if not far and not (grows and self._unprofiled.prepare()):
            executor = Executor(staged, outputs, engines)
            self._profiled = self._in_stream = executor
            if self._processes is not None:
                self._in_stream = executor.with_stages(self._processes.stages)
        self._fallback: Variant | None = None
        #: The one that was made for full batches of these inputs, where there is one.
        self.batched: Variant | None = None

    @property
    def devices(self) -> list[str]:
        """The device of each stage; of a plan over hosts, those of each part that a stream keeps
        busy as a whole."""
        if self._hosts is not None:
            return self._hosts.executor.devices
        return [stage.device for stage in self.running.schedule.stages]

    @property
    def homes(self) -> Mapping[str, str]:
        """The memories of the states that do not lie in the host's, by the names of inputs."""
        homes = self.running.homes
        return {name: homes[inside] for inside, name in self._names if inside in homes}

    def moved(self, name: str, rows: Tensor) -> Tensor:
        """What a state that lay in the host's memory holds once it lies in its home: numbers of
        the format there, in an array like `rows`. Raises StageFault where a link fails, RangeFault
        where they cannot be held."""
        home = self.homes[name]
        place = self._place(home)
        form = Form(name, rows.dtype, rows.shape, rows.shape)
        there = guarded_transfer(self._drivers[Route(HOST, home)], place)
        back = guarded_transfer(self._drivers[Route(home, HOST)], place, form)
        return back(there(rows))

    def _place(self, memory: str) -> Place:
        """The first stage that computes in a memory; the last of all where none does."""
        memory_of = self.planned.machine.memory_of
        places = [Place(at, each.device) for at, each in enumerate(self.running.schedule.stages)]
        return next((each for each in places if memory_of(each.device) == memory), places[-1])

    @property
    def is_fallback(self) -> bool:
        return self.running is self.planned.fallback

    @property
    def stream(self) -> PlannedStream | None:
        """How many inputs run, where the plan says so of what runs."""
        if self._hosts is not None:
            return self._hosts.stream
        return None if self.is_fallback else self.planned.stream

    @property
    def stream_trace(self) -> StreamTrace | None:
        """What hosts ran of streams; None of a plan that runs here alone."""
        return None if self._hosts is None else self._hosts.executor.timeline.trace()

    @property
    def run_s(self) -> float:
        """What a single run takes, by the costs."""
        return self.running.account.latency_s

    @property
    def has_full_batches(self) -> bool:
        return self.batched is not None

    def passes(self, shapes: Shapes) -> bool:
        """Whether `passage` can be asked for inputs of these `shapes`: at others than the profiled
        ones only after `outputs`, and not where stages differ in how many inputs they take."""
        if self.batched is not None and shapes == self.batched.shapes:
            return True
        mixes = self.stream is not None and self.stream.mixes
        return shapes == self.shapes or (self._unprofiled.has_run and not mixes)

    def passage(self, feeds: Feeds, shapes: Shapes) -> Passage:
        """As `outputs`, a stage at a time. Where that raises EngineError or ModelError, `outputs`
        may still have an answer."""
        inputs = self._by_inside(feeds) if self._renames else feeds
        if self._in_stream is not None and shapes == self.shapes:
            return self._in_stream.by_stage(inputs)
        if self.batched is not None and shapes == self.batched.shapes:
            return self.batched.passage(feeds, shapes)
        return self._at_other(shapes).passage(inputs, shapes)

    def joined(self, passages: Sequence[Passage]) -> Passage:
        """One for a full batch, of as many of single inputs, which are before the same stage."""
        if self.batched is None:
            raise AssertionError("it has no full batches")
        return self.batched.streaming.joined(passages)

    def part(self, passage: Passage, at: int, of: int) -> Passage:
        """That of a single input, of one for a full batch."""
        return self.streaming.part(passage, at, of)

    @property
    def streaming(self) -> Executor:
        """What runs inputs of the profiled shapes in streams, in this session's memory."""
        if not isinstance(self._in_stream, Executor):
            raise AssertionError("it runs elsewhere, or at any shape")
        return self._in_stream

    def outputs(self, feeds: Feeds, shapes: Shapes) -> dict[str, Tensor]:
        """The outputs by name; `shapes` are those of `feeds`, which the model must admit.

        Inputs with numbers that an engine of the plan cannot hold run on the fallback, and so do
        those of shapes at which it fails. Raises EngineError where the model turns out not to run
        at these shapes.
        """
        if self._profiled is None or shapes != self.shapes:
            return self._outputs_at_other(feeds, shapes)
        try:
            return self._profiled.outputs(self._by_inside(feeds) if self._renames else feeds)
        except RangeFault as error:
            return self._standing_in(error).outputs(feeds, shapes)

    def _outputs_at_other(self, feeds: Feeds, shapes: Shapes) -> dict[str, Tensor]:
        return self._answer(
            lambda: self._at_other(shapes).outputs(self._by_inside(feeds), shapes),
            lambda other: other.outputs(feeds, shapes),
            shapes,
        )

    def _by_inside(self, feeds: Feeds) -> Feeds:
        """By the names that inputs have in the stages."""
        return {inside: feeds[name] for inside, name in self._names}

    def end_processes(self) -> None:
        """Those in which stages run while they stream; none is started any more."""
        if self._processes is not None:
            self._processes.close()

    def run(self, feeds: Feeds, shapes: Shapes) -> tuple[dict[str, Tensor], Trace]:
        """As `outputs`, with what the run did and when."""
        outputs, trace = self._traced(feeds, shapes)
        return outputs, replace(trace, shapes=self._text(shapes))

    def _traced(self, feeds: Feeds, shapes: Shapes) -> tuple[dict[str, Tensor], Trace]:
        inputs = self._by_inside(feeds) if self._renames else feeds
        profiled = self._profiled if shapes == self.shapes else None
        return self._answer(
            lambda: (
                self._at_other(shapes).run(inputs, shapes)
                if profiled is None
                else profiled.run(inputs)
            ),
            lambda other: other._traced(feeds, shapes),
            shapes,
        )

    def _answer(
        self, here: Callable[[], Answer], there: Callable[["Variant"], Answer], shapes: Shapes
    ) -> Answer:
        """That of `here`, or of the fallback, `there`, where this cannot run at these shapes, or
        not on these numbers."""
        try:
            return here()
        except RangeFault as error:
            return there(self._standing_in(error))
        except (EngineError, ModelError) as error:
            if shapes == self.shapes:
                raise
            return self._elsewhere(error, there, shapes)

    def _standing_in(self, error: EngineError) -> "Variant":
        """The fallback; raises `error` where there is none, or where this is the fallback
        itself."""
        if self.is_fallback or self.planned.fallback is None:
            raise error
        if self._fallback is None:
            self._fallback = Variant(
                self._stored, fallback=True, grows=self._grows, listener=self._listener
            )
        return self._fallback

    def _elsewhere(
        self, error: StagecutError, there: Callable[["Variant"], Answer], shapes: Shapes
    ) -> Answer:
        """What the fallback answers at shapes that were not profiled, where this cannot run.

        Raises EngineError with what failed here where it cannot either, or there is none.
        """
        refused = error if isinstance(error, EngineError) else None
        if refused is None or isinstance(error, StageFault):
            refused = EngineError(
                error.problem,
                where=f"{error.where}, with {self._text(shapes)}",
                fix=f"check that the model itself runs at these shapes; it was profiled at "
                f"{self.planned.profiled}",
            )
        try:
            return there(self._standing_in(refused))
        except EngineError:
            raise refused from error

    def _at_other(self, shapes: Shapes) -> UnprofiledShapes:
        """What runs at shapes that were not profiled; raises ShapeError where these would have to
        be prepared on other hosts."""
        if self._hosts is not None:
            raise ShapeError(
                f"{self._text(shapes)} is a shape that it was not made for",
                where=f"plan {self.planned.name} over hosts",
                fix=f"it was profiled at {self.planned.profiled}; compile with --shape, once for "
                "each",
            )
        return self._unprofiled

    def _text(self, shapes: Shapes) -> str:
        names = (name for _, name in self._names)
        return shape_text(dict(zip(names, shapes, strict=True)))


def _processes(
    variant: Variant, staged: StagedSchedule, engines: Mapping[str, Backend]
) -> Processes | None:
    """None where the replicas of a stream are threads."""
    stream = variant.stream
    if stream is None or stream.hosting == "threads":
        return None
    specs = variant.planned.provenance.devices
    pinned = stream.hosting == "pinned processes"
    return Processes(staged, stream.replicas, engines, specs, pinned=pinned)


def _engines(
    planned: PlannedVariant,
    schedule: Schedule,
    running: Collection[str],
    far: Collection[str],
    listener: Listener,
) -> Mapping[str, Backend]:
    """Of the devices that are `running` stages, or whose links join the host to their own memories;
    not of those that are `far`, on other hosts."""
    memories = {memory for step in schedule.transfers for memory in step.route} - {HOST}
    memories -= {planned.machine.memory_of(name) for name in far}
    needed = {
        device.name: device
        for device in planned.machine.devices
        if (device.name in running or device.memory in memories)
        and device.name in planned.provenance.devices
        and device.name not in far
    }
    specs = [planned.provenance.devices[name] for name in needed]
    engines = backends.create_from_plan(specs, listener)
    for name, device in needed.items():
        if name not in engines or engines[name].device.memory != device.memory:
            raise PlanError(
                f"its spec, {planned.provenance.devices[name]}, is of another device",
                where=f"device {name} of the plan {planned.name}",
                fix="compile the model again with this version of stagecut",
            )
    return engines
