"""A loaded plan, used like `onnxruntime.InferenceSession`."""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NoReturn, Self

import numpy as np

from stagecut.backends import UNHEARD
from stagecut.compiler.formats.plan_file import Plan
from stagecut.compiler.ir.border import CARRIERS, handed_back
from stagecut.compiler.ir.device import Feeds, Listener, Progress, Tensor, silent
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.plan import MAIN, PlannedVariant
from stagecut.compiler.ir.port import Port
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.ir.stream_trace import StreamTrace, joined
from stagecut.compiler.ir.trace import Trace
from stagecut.compiler.measure.cpus import usable_cpus
from stagecut.compiler.measure.environment import cpu_model
from stagecut.runtime.hosts.cluster import Cluster
from stagecut.runtime.hosts.over_hosts import hosts_of
from stagecut.runtime.inputs import Inputs
from stagecut.runtime.metadata import ModelMetadata, NodeArg
from stagecut.runtime.nearest import chooser
from stagecut.runtime.opened import variants_of, watched
from stagecut.runtime.outputs import Outputs
from stagecut.runtime.stream.callbacks import CalledBack
from stagecut.runtime.stream.item import Item, Told
from stagecut.runtime.stream.pipeline import Overload
from stagecut.runtime.stream.promise import Promise
from stagecut.runtime.stream.results import OnError, Results
from stagecut.runtime.stream.statistics import StreamStats
from stagecut.runtime.stream.streams import Streams, limit_of, together_of
from stagecut.runtime.unprofiled_shapes import Shapes
from stagecut.runtime.variant import Variant


class Session:
    """Runs a plan. Safe to use from several threads at once.

        session = Session("model.plan")
        [embedding] = session.run(None, {"input_ids": ids, "attention_mask": mask})

    Inputs may have any shape that the model admits. The variant of the plan runs that was profiled
    with the shapes nearest to theirs: those with the least sum of |log(size / profiled size)| over
    all dimensions, the first of these; an input of another rank counts as far away. Of a decoder's
    step with variants for several lengths, how many rows its states hold says which one. The first
    run at a shape that was not profiled prepares for it, which takes a while.

    The plan's file is kept open: a session goes on with the plan that it opened when the file is
    replaced or removed. A file of more than 4 MiB that is written to in place is noticed by the
    next run, which raises PlanError; a smaller one was copied.

    With `fallback`, a plan whose devices are not all here, or refuse it, runs as the best plan that
    it has for ONNX Runtime alone. `entry` is which one of a decoder's, whose states are then inputs
    and outputs as all others: see DecoderSession. A plan over hosts needs a `cluster`, "auto" or
    the address of its first host, which has to ask for a token unless `insecure` says otherwise;
    `progress` sees its hosts fetch what they run, and `close` leaves it. `listener` is told which
    device is about to be made, or to prepare a stage, in case that ends the process.

    Raises PlanError for a plan file that is not whole, DeviceError where a device is missing,
    EngineError where an engine refuses a stage.
    """

    def __init__(
        self,
        plan: Plan | str | os.PathLike[str],
        *,
        fallback: bool = False,
        entry: str = MAIN,
        cluster: str | None = None,
        insecure: bool = False,
        progress: Progress = silent,
        listener: Listener = UNHEARD,
    ) -> None:
        loaded = plan if isinstance(plan, Plan) else Plan.load(plan)
        stored = loaded.entry_named(entry)
        self._file = watched(loaded)
        self._cluster = None if cluster is None else Cluster(cluster, insecure=insecure)
        try:
            self._variants = variants_of(
                loaded,
                stored,
                fallback=fallback,
                over=self._cluster,
                progress=progress,
                listener=listener,
            )
        except BaseException:
            self._leave_cluster()
            raise
        loaded.archive.let_go()  # of weights of which engines have copies of their own by now
        self._by_shapes = {variant.shapes: variant for variant in self._variants}
        self._dtypes = [(port.name, _numpy_dtype(port)) for port in self.planned.inputs]
        self._entry = stored.planned
        self._choose = chooser(self._entry, loaded.decoding)
        ports = {port.name: port for port in self.planned.inputs}
        self._inputs = Inputs(ports, stored.defaults, self._entry.fixed)
        self._known = [port.name for port in self.planned.outputs]
        self._outputs = Outputs(self._known, self._entry.left_out)
        self._carried = {
            port.name: port.dtype for port in self.planned.outputs if port.dtype in CARRIERS
        }
        self._streams = Streams()

    @property
    def planned(self) -> PlannedVariant:
        """The first variant."""
        return self._variants[0].planned

    @property
    def defaults(self) -> Feeds:
        """Of the inputs that need not be given."""
        return self._inputs.defaults

    @property
    def schedule(self) -> Schedule:
        """The schedule that runs of the first variant: its own, or its fallback."""
        return self._variants[0].running.schedule

    @property
    def is_fallback(self) -> bool:
        """Whether the fallback runs, because a device is missing or fails."""
        return self._variants[0].is_fallback

    @property
    def is_over_hosts(self) -> bool:
        """Whether it has joined a cluster, whose hosts run parts of the plan."""
        return self._cluster is not None

    @property
    def host_of(self) -> Mapping[str, str]:
        """The host of each device that a cluster's hosts have; nothing without a cluster."""
        return hosts_of(self.planned.machine) if self.is_over_hosts else {}

    def variant(self, feeds: Feeds) -> Variant:
        """The one that would run `feeds`; raises FeedError where the model does not admit them."""
        return self._checked(feeds)[0]

    @property
    def variants(self) -> Sequence[Variant]:
        return self._variants

    def get_inputs(self) -> list[NodeArg]:
        """Those that have to be given."""
        return [NodeArg.of(port) for port in self.planned.inputs if not port.optional]

    def get_overridable_initializers(self) -> list[NodeArg]:
        """The inputs that have a default."""
        return [NodeArg.of(port) for port in self.planned.inputs if port.optional]

    def get_outputs(self) -> list[NodeArg]:
        return [NodeArg.of(port) for port in self.planned.outputs]

    def get_providers(self) -> list[str]:
        """The devices that stages run on, each once, in the order in which they are first used."""
        return list(dict.fromkeys(device for each in self._variants for device in each.devices))

    def get_modelmeta(self) -> ModelMetadata:
        """The model's name, and what the plan was made from."""
        return ModelMetadata.of(self.planned.provenance)

    def get_session_options(self) -> NoReturn:
        """A plan has none: raises UsageError, which says where they went."""
        raise UsageError(
            "a plan has no session options: threads and engines are part of the plan",
            where="get_session_options",
            fix="compile with --device cpu.parallel:threads=4, or read session.planned",
        )

    def io_binding(self) -> NoReturn:
        """A plan has none: raises UsageError, which says why."""
        raise UsageError(
            "a plan binds no buffers: its run() copies neither inputs nor outputs on the CPU",
            where="io_binding",
            fix="call run()",
        )

    @property
    def elsewhere(self) -> str:
        """A sentence where this is another CPU than the plan was made on, or has other threads: its
        figures are then not those of this machine, and another plan may be faster. Else empty."""
        origin = self.planned.provenance
        made = f"{origin.cpu} with {origin.threads} CPUs"
        here = f"{cpu_model()} with {usable_cpus()} CPUs"
        if made == here:
            return ""
        return f"the plan was made on {made}, and this is {here}: compiled here it may be faster"

    def run(
        self,
        output_names: Sequence[str] | None,
        input_feed: Feeds,
        run_options: object = None,  # noqa: ARG002  # onnxruntime's signature
    ) -> list[Tensor]:
        """The outputs that are named, in that order; all of them where none is.

        `run_options` is there for ONNX Runtime's signature and has no effect. Raises FeedError for
        an input that is missing, unknown, or of a type or shape that the model does not admit.
        """
        wanted = self._known if output_names is None else self._outputs.wanted(output_names)
        variant, feeds, shapes = self._checked(input_feed)
        return self._handed_back(variant.outputs(feeds, shapes), wanted)

    def run_variant(
        self, at: int, output_names: Sequence[str] | None, input_feed: Feeds
    ) -> list[Tensor]:
        """As `run`, by the `at`-th of `variants`, whichever is the one for these shapes."""
        wanted = self._outputs.wanted(output_names)
        _, feeds, shapes = self._checked(input_feed)
        return self._handed_back(self._variants[at].outputs(feeds, shapes), wanted)

    def run_with_trace(
        self, output_names: Sequence[str] | None, input_feed: Feeds
    ) -> tuple[list[Tensor], Trace]:
        """As `run`, with what the run did and when."""
        wanted = self._outputs.wanted(output_names)
        variant, feeds, shapes = self._checked(input_feed)
        outputs, trace = variant.run(feeds, shapes)
        return self._handed_back(outputs, wanted), trace

    def stream(
        self, inputs: Iterable[Feeds], *, ordered: bool = True, on_error: OnError = "raise"
    ) -> Results:
        """The outputs of each of `inputs`, many of which are in flight at once; an iterator.

            for outputs in session.stream(feeds of every picture):
                ...

        Inputs are taken as there is room for them, when the next outputs are asked for, and have to
        stay as they are until theirs have come. Outputs are the lists that `run` gives, in the
        order of the inputs, or, not `ordered`, as they come. An input that fails raises its error
        where its outputs would be, and `next` goes on behind it; with `on_error="yield"` the error
        itself stands there.
        """
        if not isinstance(inputs, Iterable):
            raise UsageError(
                f"they are {inputs!r}", where="inputs", fix="give the feeds of each, as a list"
            )
        window = 2 * self.most_in_flight  # one half in flight, one for outputs that wait
        return Results(
            inputs,
            self._item,
            self._streams,
            window=window,
            together=together_of(self._variants),
            ordered=ordered,
            on_error=on_error,
        )

    def submit(self, feeds: Feeds, *, overload: Overload = "block") -> "Future[list[Tensor]]":
        """A future of what `run` would give. Waits while there is no room for another input, or as
        `overload` says: "drop_oldest" gives up the oldest input that was submitted so and that no
        stage has begun with, "drop_newest" this one, and their futures raise OverloadError; "raise"
        raises it here.

        Callbacks of the future run one after the other in a thread of their own, and may submit
        further inputs and wait. Raises FeedError as `run` does, ClosedError after `close`.
        """
        future, item = self._called_back(feeds)
        self._streams.submit(item, overload)
        return future

    def try_submit(self, feeds: Feeds) -> "Future[list[Tensor]] | None":
        """As `submit`; None where there is no room."""
        future, item = self._called_back(feeds)
        return future if self._streams.try_submit(item) else None

    async def run_async(self, feeds: Feeds) -> list[Tensor]:
        """What `run` gives, while the event loop does other things. All that are waited for at once
        are in line; a task that is cancelled leaves it."""
        from asyncio import wrap_future

        future: Future[list[Tensor]] = Future()
        self._streams.enqueue(self._item(feeds, future))
        return await wrap_future(future)

    @property
    def most_in_flight(self) -> int:
        """How many inputs of one shape a stream has in flight."""
        return limit_of(self._variants)

    def stats(self, *, since_s: float = -math.inf) -> StreamStats:
        """How busy streams keep each stage, and what the latest inputs took: of those that arrived
        after `since_s`, by `time.perf_counter`. `run` does not count."""
        return self._streams.stats(since_s)

    def stream_trace(self) -> StreamTrace:
        """The latest 4,096 calls of each stage in streams; of a plan over hosts, those of all
        hosts, which stand in the place of its stages."""
        over_hosts = [variant.stream_trace for variant in self._variants]
        found = [each for each in over_hosts if each is not None]
        return joined(found) if found else self._streams.trace()

    def close(self, *, cancel: bool = False) -> None:
        """End the threads and processes of streams once all that is in flight has its outputs; with
        `cancel`, what no stage has begun with is cancelled. `run` goes on working.

        The end of a `with` block does this, with `cancel` where an exception ends it.
        """
        try:
            self._streams.close(cancel=cancel)
        finally:
            for variant in self._variants:
                variant.end_processes()
            self._leave_cluster()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        self.close(cancel=kind is not None)

    def _leave_cluster(self) -> None:
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            cluster.close()

    def _item(self, feeds: Feeds, future: "Told | None" = None) -> Item:
        variant, feeds, shapes = self._checked(feeds)
        return Item(
            variant,
            {**feeds},  # a copy: the caller may put the next input into the same dictionary
            shapes,
            self._all_handed_back,
            future=Promise() if future is None else future,
        )

    def _called_back(self, feeds: Feeds) -> "tuple[Future[list[Tensor]], Item]":
        future = CalledBack(self._streams.callbacks)
        return future, self._item(feeds, future)

    def _all_handed_back(self, outputs: Feeds) -> list[Tensor]:
        return self._handed_back(outputs, self._known)

    def _handed_back(self, outputs: Feeds, wanted: Sequence[str]) -> list[Tensor]:
        if not self._carried:
            whole = wanted is self._known  # in the order that they have
            return [*outputs.values()] if whole else [outputs[name] for name in wanted]
        return [
            handed_back(outputs[name], self._carried[name])
            if name in self._carried
            else outputs[name]
            for name in wanted
        ]

    def _checked(self, feeds: Feeds) -> tuple[Variant, Feeds, Shapes]:
        """The variant that runs `feeds`, these as its stages take them, and the shapes of all
        inputs; raises FeedError where the model does not admit them, PlanError where the plan's
        weights were overwritten."""
        if self._file is not None:
            self._file.check_unchanged()
        shapes = self._shapes_of(feeds)
        if shapes is None:
            feeds = self._inputs.conformed(feeds)
            shapes = tuple([feeds[name].shape for name, _ in self._dtypes])
        variant = self._by_shapes.get(shapes)
        if variant is None:
            self._inputs.check_dims(shapes)
            variant = self._variants[self._choose(shapes)]
        return variant, feeds, shapes

    def _shapes_of(self, feeds: Feeds) -> Shapes | None:
        """Those of all inputs; None where `feeds` are not just what the stages take, as they nearly
        always are."""
        if type(feeds) is not dict or len(feeds) != len(self._dtypes):
            return None
        shapes = []
        for name, dtype in self._dtypes:
            tensor = feeds.get(name)
            if type(tensor) is not np.ndarray or dtype is None or tensor.dtype != dtype:
                return None
            shapes.append(tensor.shape)
        return tuple(shapes)


def _numpy_dtype(port: Port) -> np.dtype[Any] | None:
    """None where an array that has it need not be one that stages take."""
    return None if port.dtype == "string" or port.dtype in CARRIERS else np.dtype(port.dtype)
