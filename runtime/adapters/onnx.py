"""stagecut behind ONNX's own backend interface, `onnx.backend.base.Backend`.

    from stagecut.runtime import onnx_backend as backend

    outputs = backend.run_model(model, [x])

Nothing is measured: every operator runs on the first of the devices that can run it, unless a cost
table says otherwise.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import onnx
import onnx_ir as ir
from onnx.backend.base import Backend, BackendRep, namedtupledict

from stagecut import backends
from stagecut.compiler.frontends.normal_form.refuse import refuse_contradiction
from stagecut.compiler.frontends.normal_form.versions import newest_opset
from stagecut.compiler.ir.costs import CostModel, CostTable
from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.errors import (
    EngineError,
    ModelError,
    SampleError,
    ShapeError,
    StagecutError,
)
from stagecut.compiler.pipeline import compile_model
from stagecut.passes.cluster.cluster import Granularity
from stagecut.passes.profile.synthetic import unmeasured
from stagecut.runtime.session import Session

#: The IR version that single operators are written in.
_IR = 8

#: ONNX's name for the host, which means stagecut's first device.
_CPU = "CPU"


class StagecutRep(BackendRep):
    """A prepared model; where it does not run on inputs that are made up, it is compiled with the
    first real ones."""

    def __init__(self, names: Sequence[str], compiled: Callable[[Feeds | None], Session]) -> None:
        self._names = names
        self._compiled = compiled
        self._session: Session | None = None
        with contextlib.suppress(ShapeError, SampleError, EngineError):
            self._session = compiled(None)

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:  # noqa: ARG002  # the interface
        """`inputs` in the model's order, or by name; the outputs in order, and by name, too."""
        feeds: Feeds = (
            inputs if isinstance(inputs, Mapping) else dict(zip(self._names, inputs, strict=False))
        )
        if self._session is None:
            self._session = self._compiled(feeds)
        outputs = self._session.run(None, feeds)
        fields = [port.name for port in self._session.get_outputs()]
        named: tuple[Any, ...] = namedtupledict("Outputs", fields)(*outputs)
        return named


class StagecutBackend(Backend):
    """`device` is "CPU", or the spec of one device; `devices` are several, best first."""

    @classmethod
    def is_compatible(cls, model: onnx.ModelProto, device: str = _CPU, **kwargs: Any) -> bool:
        """Whether `prepare` would take the model."""
        try:
            cls.prepare(model, device, **kwargs)
        except StagecutError:
            return False
        return True

    @classmethod
    def prepare(
        cls,
        model: onnx.ModelProto,
        device: str = _CPU,
        *,
        devices: Sequence[str] | None = None,
        costs: CostTable | CostModel | None = None,
        granularity: Granularity = "cluster",
        feeds: Feeds | None = None,
        **kwargs: Any,
    ) -> StagecutRep:
        """Compile `model` without measuring. Raises StagecutError.

        `feeds` are sample inputs. Without them some are made up; where the model does not run on
        these, it is compiled in the first run.
        """
        super().prepare(model, device, **kwargs)  # checks the model
        specs = devices or ["cpu.serial" if device == _CPU else device]

        def compiled(samples: Feeds | None) -> Session:
            given: dict[str, Any] = {
                "devices": specs,
                "granularity": granularity,
                "feeds": samples or feeds,
            }
            plan = compile_model(model, costs=costs or unmeasured, **given)
            for name, kind in plan.entry.left_out.items():
                raise ModelError(
                    f"is a {kind}, which a plan cannot hand back",
                    where=f"output {name}",
                    fix="compile_model makes a plan of the other outputs",
                )
            return Session(plan)

        return StagecutRep(_inputs(model), compiled)

    @classmethod
    def run_model(
        cls, model: onnx.ModelProto, inputs: Any, device: str = _CPU, **kwargs: Any
    ) -> tuple[Any, ...]:
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(
        cls,
        node: onnx.NodeProto,
        inputs: Sequence[Tensor],
        device: str = _CPU,
        outputs_info: Any = None,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """One operator, of the newest version that onnx and ONNX Runtime know."""
        opset = newest_opset()
        checked: Any = {"opset_version": opset}
        super().run_node(node, inputs, device, outputs_info, **checked)
        names = [name for name in node.input if name]
        feeds = dict(zip(names, inputs, strict=True))
        graph = onnx.helper.make_graph(
            [node],
            "node",
            [_info(name, array) for name, array in feeds.items()],
            _results(node, feeds, opset),
        )
        imports = [onnx.helper.make_opsetid(node.domain, opset)]
        model = onnx.helper.make_model(graph, opset_imports=imports, ir_version=_IR)
        return cls.run_model(model, feeds, device, **kwargs)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        return device == _CPU or device in backends.names()


def _inputs(model: onnx.ModelProto) -> list[str]:
    """The names of those that have no default."""
    weights = {weight.name for weight in model.graph.initializer}
    return [value.name for value in model.graph.input if value.name not in weights]


def _info(name: str, array: Tensor) -> onnx.ValueInfoProto:
    dtype = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    return onnx.helper.make_tensor_value_info(name, dtype, array.shape)


def _results(node: onnx.NodeProto, feeds: Feeds, opset: int) -> list[onnx.ValueInfoProto]:
    """What the operator returns."""
    refuse_contradiction(ir.serde.deserialize_node(node))
    types = onnx.shape_inference.infer_node_outputs(
        onnx.defs.get_schema(node.op_type, opset, node.domain),
        node,
        {name: _info(name, array).type for name, array in feeds.items()},
        {name: onnx.numpy_helper.from_array(array, name) for name, array in feeds.items()},
        opset_imports=[onnx.helper.make_opsetid(node.domain, opset)],
        ir_version=_IR,
    )
    return [onnx.helper.make_value_info(name, types[name]) for name in node.output if name]


is_compatible = StagecutBackend.is_compatible
prepare = StagecutBackend.prepare
run_model = StagecutBackend.run_model
run_node = StagecutBackend.run_node
supports_device = StagecutBackend.supports_device
