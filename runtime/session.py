"""A loaded plan, used like `onnxruntime.InferenceSession`."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stagecut import backends
from stagecut.compiler.backend import Backend, Feeds, Tensor
from stagecut.compiler.errors import DeviceError, FeedError
from stagecut.compiler.manifest import Manifest, PlannedStage, Port
from stagecut.compiler.plan import Plan
from stagecut.runtime.executor import Executor
from stagecut.runtime.trace import Trace


@dataclass(frozen=True, slots=True)
class NodeArg:
    """An input or output, with the attributes that onnxruntime's have."""

    name: str
    shape: tuple[int, ...]
    type: str


class Session:
    """Runs a plan. Safe to use from several threads at once.

        session = Session("model.plan")
        [embedding] = session.run(None, {"input_ids": ids, "attention_mask": mask})

    With `fallback`, a plan whose devices are not all here runs as the best plan that it has for
    ONNX Runtime alone. Raises PlanError for a plan file that is not whole, DeviceError where a
    device is missing, EngineError where an engine refuses a stage.
    """

    def __init__(self, plan: Plan | str | os.PathLike[str], *, fallback: bool = False) -> None:
        self._plan = plan if isinstance(plan, Plan) else Plan.load(plan)
        self._stages = self.manifest.stages
        try:
            engines = self._engines()
        except DeviceError as missing:
            if not (fallback and self.manifest.fallback):
                raise self._explained(missing) from None
            self._stages = self.manifest.fallback
            engines = self._engines()
        outputs = [port.name for port in self.manifest.outputs]
        is_fallback = self._stages is self.manifest.fallback
        self._executor = Executor(self._plan.stages(fallback=is_fallback), outputs, engines)

    def _engines(self) -> Mapping[str, Backend]:
        used = {stage.device for stage in self._stages}
        devices = self.manifest.provenance.devices
        return backends.create_all(spec for name, spec in devices.items() if name in used)

    def _explained(self, missing: DeviceError) -> DeviceError:
        """With the way out, if the plan has one."""
        if not self.manifest.fallback:
            return missing
        ways = f"{missing.fix}; or run the plan's fallback on ONNX Runtime (--fallback)"
        return DeviceError(missing.problem, where=missing.where, fix=ways)

    @property
    def stages(self) -> tuple[PlannedStage, ...]:
        """Those that run: the plan's own, or its fallback."""
        return self._stages

    @property
    def manifest(self) -> Manifest:
        return self._plan.manifest

    def get_inputs(self) -> list[NodeArg]:
        return [_node_arg(port) for port in self.manifest.inputs]

    def get_outputs(self) -> list[NodeArg]:
        return [_node_arg(port) for port in self.manifest.outputs]

    def run(self, output_names: Sequence[str] | None, feeds: Feeds) -> list[Tensor]:
        """The outputs that are named, or all of them, in order.

        Raises FeedError for an input that is missing, unknown, or of the wrong type or shape.
        """
        return self.run_with_trace(output_names, feeds)[0]

    def run_with_trace(
        self, output_names: Sequence[str] | None, feeds: Feeds
    ) -> tuple[list[Tensor], Trace]:
        """As `run`, with what the run did and when."""
        known = [port.name for port in self.manifest.outputs]
        wanted = known if output_names is None else list(output_names)
        for name in wanted:
            if name not in known:
                raise FeedError(
                    f"there is no output {name!r}", fix=f"the outputs are {', '.join(known)}"
                )
        outputs, trace = self._executor.run(self._checked(feeds))
        return [outputs[name] for name in wanted], trace

    def _checked(self, feeds: Feeds) -> Feeds:
        ports = {port.name: port for port in self.manifest.inputs}
        for name in feeds:
            if name not in ports:
                raise FeedError(
                    f"there is no input {name!r}", fix=f"the inputs are {', '.join(ports)}"
                )
        for name, port in ports.items():
            if name not in feeds:
                raise FeedError(
                    "is missing",
                    where=f"input {name}",
                    fix=f"feed an array of {port.dtype} with shape {_text(port.shape)}",
                )
            _check_tensor(port, feeds[name])
        return feeds


def _check_tensor(port: Port, tensor: object) -> None:
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
    if tensor.shape != port.shape:
        raise FeedError(
            f"has shape {_text(tensor.shape)}; the plan takes {_text(port.shape)}",
            where=where,
            fix=f"pad or cut it, or compile with --shape {port.name}={_text(tensor.shape)}",
        )


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) if shape else "scalar"


def _node_arg(port: Port) -> NodeArg:
    short = {"float32": "float", "float64": "double"}.get(port.dtype, port.dtype)
    return NodeArg(port.name, port.shape, f"tensor({short})")
