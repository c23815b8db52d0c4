"""A loaded plan, used like `onnxruntime.InferenceSession`."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stagecut.compiler.formats.plan_file import Plan, StoredVariant
from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.errors import DeviceError, FeedError, StageFault
from stagecut.compiler.ir.graph import Dims
from stagecut.compiler.ir.plan import PlannedVariant, Port
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.ir.text import size_text
from stagecut.compiler.ir.trace import Trace
from stagecut.runtime.unprofiled_shapes import Shapes
from stagecut.runtime.variant import Variant


@dataclass(frozen=True, slots=True)
class NodeArg:
    """An input or output, with the attributes that onnxruntime's have.

    Open dimensions stand in `shape` by their names, those without as None.
    """

    name: str
    shape: list[int | str | None]
    type: str


class Session:
    """Runs a plan. Safe to use from several threads at once.

        session = Session("model.plan")
        [embedding] = session.run(None, {"input_ids": ids, "attention_mask": mask})

    Inputs may have any shape that the model admits. The variant of the plan runs that was profiled
    with the shapes nearest to theirs: those with the least sum of |log(size / profiled size)| over
    all dimensions, the first of these. The first run at a shape that was not profiled prepares for
    it, which takes a while.

    With `fallback`, a plan whose devices are not all here, or refuse it, runs as the best plan that
    it has for ONNX Runtime alone. Raises PlanError for a plan file that is not whole, DeviceError
    where a device is missing, EngineError where an engine refuses a stage.
    """

    def __init__(self, plan: Plan | str | os.PathLike[str], *, fallback: bool = False) -> None:
        loaded = plan if isinstance(plan, Plan) else Plan.load(plan)
        self._variants = [_prepared(each, fallback=fallback) for each in loaded.variants]
        self._by_shapes = {variant.shapes: variant for variant in self._variants}
        self._ports = {port.name: port for port in self.planned.inputs}
        self._dtypes = [(port.name, _numpy_dtype(port)) for port in self.planned.inputs]
        self._known = [port.name for port in self.planned.outputs]

    @property
    def planned(self) -> PlannedVariant:
        """The first variant."""
        return self._variants[0].planned

    @property
    def schedule(self) -> Schedule:
        """The schedule that runs of the first variant: its own, or its fallback."""
        return self._variants[0].running.schedule

    @property
    def is_fallback(self) -> bool:
        """Whether the fallback runs, because a device is missing or fails."""
        return self._variants[0].is_fallback

    def variant(self, feeds: Feeds) -> Variant:
        """The one that would run `feeds`; raises FeedError where the model does not admit them."""
        return self._nearest(self._checked(feeds))

    def _nearest(self, shapes: Shapes) -> Variant:
        return self._by_shapes.get(shapes) or min(
            self._variants, key=lambda variant: _distance(shapes, variant.shapes)
        )

    def get_inputs(self) -> list[NodeArg]:
        return [_node_arg(port) for port in self.planned.inputs]

    def get_outputs(self) -> list[NodeArg]:
        return [_node_arg(port) for port in self.planned.outputs]

    def get_providers(self) -> list[str]:
        """The devices that stages run on, each once, in the order in which they are first used."""
        return list(dict.fromkeys(device for each in self._variants for device in each.devices))

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
        wanted = self._wanted(output_names)
        shapes = self._checked(input_feed)
        outputs = self._nearest(shapes).outputs(input_feed, shapes)
        return [outputs[name] for name in wanted]

    def run_with_trace(
        self, output_names: Sequence[str] | None, input_feed: Feeds
    ) -> tuple[list[Tensor], Trace]:
        """As `run`, with what the run did and when."""
        wanted = self._wanted(output_names)
        shapes = self._checked(input_feed)
        outputs, trace = self._nearest(shapes).run(input_feed, shapes)
        return [outputs[name] for name in wanted], trace

    def _wanted(self, output_names: Sequence[str] | None) -> Sequence[str]:
        for name in output_names or ():
            if name not in self._known:
                raise FeedError(
                    f"there is no output {name!r}", fix=f"the outputs are {', '.join(self._known)}"
                )
        return output_names or self._known

    def _checked(self, feeds: Feeds) -> Shapes:
        """The shapes of all inputs; raises FeedError where the model does not admit them."""
        if (
            type(feeds) is not dict
            or len(feeds) != len(self._dtypes)
            or not all(
                type(tensor := feeds.get(name)) is np.ndarray and dtype and tensor.dtype == dtype
                for name, dtype in self._dtypes
            )
        ):
            self._check_each(feeds)
        shapes = tuple([feeds[name].shape for name, _ in self._dtypes])
        if shapes not in self._by_shapes:
            self._check_dims(shapes)
        return shapes

    def _check_each(self, feeds: Feeds) -> None:
        """Names and types, with an error for what is wrong."""
        if not isinstance(feeds, Mapping):
            raise FeedError(
                f"the inputs are a {type(feeds).__name__}, and the plan takes arrays by name",
                fix=f"feed {{{', '.join(f'{name!r}: array' for name in self._ports)}}}",
            )
        for name in feeds:
            if name not in self._ports:
                raise FeedError(
                    f"there is no input {name!r}", fix=f"the inputs are {', '.join(self._ports)}"
                )
        for name, port in self._ports.items():
            if name not in feeds:
                raise FeedError(
                    "is missing",
                    where=f"input {name}",
                    fix=f"feed an array of {port.dtype} with shape {size_text(_dims(port))}",
                )
            _check_type(port, feeds[name])

    def _check_dims(self, shapes: Shapes) -> None:
        """Fixed dimensions are as they are, and those of one name have one size."""
        sizes: dict[str, tuple[int, str]] = {}
        for port, shape in zip(self._ports.values(), shapes, strict=True):
            where, dims = f"input {port.name}", _dims(port)
            if len(shape) != len(dims) or any(
                dim != size for dim, size in zip(dims, shape, strict=True) if isinstance(dim, int)
            ):
                raise FeedError(
                    f"has shape {size_text(shape)}; the plan takes {size_text(dims)}",
                    where=where,
                    fix="pad or cut it, or compile a model that leaves this dimension open",
                )
            for dim, size in zip(dims, shape, strict=True):
                known, first = sizes.setdefault(str(dim), (size, port.name))
                if isinstance(dim, str) and dim != "?" and known != size:
                    raise FeedError(
                        f"has {dim} = {size} in its shape {size_text(shape)}, and {first} {known}",
                        where=where,
                        fix="feed inputs that belong together",
                    )


def _prepared(stored: StoredVariant, *, fallback: bool) -> Variant:
    try:
        return Variant(stored)
    except (DeviceError, StageFault) as missing:
        if stored.planned.fallback is None:
            raise
        if not fallback:
            missing.fix += "; or run the plan's fallback on ONNX Runtime (--fallback)"
            raise
        return Variant(stored, fallback=True)


def _distance(shapes: Shapes, profiled: Shapes) -> float:
    """The sum of |log(size / profiled size)|: 32 is as far from 16 as from 64."""
    pairs = zip(shapes, profiled, strict=True)
    return math.fsum(
        abs(math.log(max(one, 1) / max(other, 1)))
        for shape, near in pairs
        for one, other in zip(shape, near, strict=True)
    )


def _check_type(port: Port, tensor: object) -> None:
    where = f"input {port.name}"
    if not isinstance(tensor, np.ndarray):
        raise FeedError(
            f"is a {type(tensor).__name__}, not a numpy array", where=where, fix="use numpy.asarray"
        )
    dtype = "string" if tensor.dtype.kind in "OUS" else tensor.dtype.name
    if dtype != port.dtype:
        raise FeedError(
            f"has type {dtype}; the plan takes {port.dtype}",
            where=where,
            fix=f"convert it: array.astype({port.dtype!r})",
        )


def _numpy_dtype(port: Port) -> np.dtype[Any] | None:
    """None for strings, of which numpy has several types."""
    return None if port.dtype == "string" else np.dtype(port.dtype)


def _dims(port: Port) -> Dims:
    return port.dims or port.shape


def _node_arg(port: Port) -> NodeArg:
    short = {"float32": "float", "float64": "double"}.get(port.dtype, port.dtype)
    shape = [None if dim == "?" else dim for dim in _dims(port)]
    return NodeArg(port.name, shape, f"tensor({short})")
