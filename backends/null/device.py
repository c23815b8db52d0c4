"""A device for tests: costs what you say and computes with the reference evaluator of ONNX.

Lets every pass be tested without hardware: it can live in a memory of its own, refuse operators,
and be modelled (its costs are its options) or measured (its costs are what the clock says).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from onnx.reference import ReferenceEvaluator

from stagecut.backends.options import Options
from stagecut.compiler.ir.device import YES, Estimate, LinkDriver, StageProgram, Support, Tensor
from stagecut.compiler.ir.graph import Node, Operator, Value
from stagecut.compiler.ir.machine import HOST, Basis, Device, Memory

#: ONNX's reference evaluator gathers elements by numpy.choose, which takes 64 arrays: the indices,
#: and each part of the data along the axis.
_CHOICES = 63


@dataclass(frozen=True, slots=True)
class NullLink:
    """A link that passes tensors on unchanged."""

    source: str
    target: str
    basis: Basis
    latency_s: float
    bytes_per_s: float

    def transfer(self, tensor: Tensor) -> Tensor:
        return tensor

    def estimate(self, value: Value) -> Estimate | None:
        if self.basis == "measured":
            return None
        return Estimate(self.latency_s + value.size_bytes / self.bytes_per_s)


@dataclass(frozen=True, slots=True)
class NullExecutable:
    """A stage run by `onnx.reference`."""

    evaluator: ReferenceEvaluator
    names: tuple[str, ...]

    def __call__(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        outputs = self.evaluator.run(None, dict(zip(self.names, inputs, strict=True)))
        return [np.asarray(output) for output in outputs]


@dataclass(frozen=True, slots=True)
class NullBackend:
    """Runs `operators`, or every operator where there are none."""

    device: Device
    memory: Memory
    links: tuple[LinkDriver, ...]
    operators: frozenset[str]
    run_s: float

    def supports(self, node: Node) -> Support:
        for operator in node.operators:
            if self.operators and operator.op not in self.operators:
                return Support(f"{operator.op} is not among the operators it was given")
            reason = _refusal(operator)
            if reason:
                return Support(f"{operator.op}: {reason}")
        return YES

    def estimate(self, node: Node) -> Estimate | None:  # noqa: ARG002  # every node costs the same
        return Estimate(self.run_s) if self.device.basis == "modelled" else None

    def prepare(self, stage: StageProgram) -> NullExecutable:
        proto = ir.to_proto(_with_weights_inside(stage.model))
        return NullExecutable(ReferenceEvaluator(proto), tuple(v.name for v in stage.inputs))


def _refusal(operator: Operator) -> str:
    """Why ONNX's reference evaluator cannot run it; empty where it can."""
    if operator.op != "GatherElements":
        return ""
    axis = operator.attributes.get("axis", 0)
    parts = operator.reads[0].shape[axis] if isinstance(axis, int) else 0
    return f"numpy chooses among {_CHOICES} at most" if parts > _CHOICES else ""


def create(name: str, options: Mapping[str, str]) -> NullBackend:
    """Options: `memory`, `basis`, `run_s`, `latency_s`, `bytes_per_s`, `operators=Add+Mul`."""
    read = Options(name, options)
    basis: Basis = "modelled"
    if read.choice("basis", ("modelled", "measured"), default=basis) == "measured":
        basis = "measured"
    memory = Memory(read.text("memory", default=name))
    run_s = read.number("run_s", default=1e-6, above=0)
    latency_s = read.number("latency_s", default=1e-6, above=0)
    bytes_per_s = read.number("bytes_per_s", default=1e9, above=0)
    operators = frozenset(filter(None, read.text("operators", default="").split("+")))
    read.refuse_unread()
    links: tuple[LinkDriver, ...] = ()
    if memory.name != HOST:
        links = (
            NullLink(HOST, memory.name, basis, latency_s, bytes_per_s),
            NullLink(memory.name, HOST, basis, latency_s, bytes_per_s),
        )
    description = "for tests: costs what you say, computes with ONNX's reference evaluator"
    device = Device(name, memory.name, basis, description=description, resource=name)
    return NullBackend(device, memory, links, operators, run_s)


def _with_weights_inside(model: ir.Model) -> ir.Model:
    clone = ir.from_proto(ir.to_proto(model))
    for name, value in clone.graph.initializers.items():
        tensor = model.graph.initializers[name].const_value
        if tensor is not None:
            value.const_value = ir.Tensor(tensor.numpy(), dtype=tensor.dtype, name=name)
    return clone
