"""stagecut behind ONNX's own backend interface, `onnx.backend.base.Backend`.

    from stagecut.runtime import onnx_backend as backend

    outputs = backend.run_model(model, [x])

Nothing is measured: every operator runs on the first of the devices that can run it, unless a cost
table says otherwise.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import onnx
from onnx.backend.base import Backend, BackendRep, namedtupledict

from stagecut import backends
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.errors import StagecutError
from stagecut.compiler.pipeline import compile_model, unmeasured_costs
from stagecut.passes.cluster.cluster import Granularity
from stagecut.runtime.session import Session

#: ONNX's name for the host, which means stagecut's first device.
_CPU = "CPU"


class StagecutRep(BackendRep):
    """A prepared model."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:  # noqa: ARG002  # the interface
        """`inputs` in the model's order, or by name; the outputs in order, and by name, too."""
        names = [port.name for port in self._session.get_inputs()]
        feeds: Mapping[str, Tensor] = (
            inputs if isinstance(inputs, Mapping) else dict(zip(names, inputs, strict=False))
        )
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
        costs: CostTable | None = None,
        granularity: Granularity = "cluster",
        feeds: Mapping[str, Tensor] | None = None,
        **kwargs: Any,
    ) -> StagecutRep:
        """Compile `model` without measuring. Raises StagecutError.

        `feeds` are sample inputs, for models that do not run on random ones.
        """
        super().prepare(model, device, **kwargs)  # checks the model
        specs = devices or ["cpu.serial" if device == _CPU else device]
        table = costs or unmeasured_costs(
            model, devices=specs, granularity=granularity, feeds=feeds
        )
        plan = compile_model(
            model, devices=specs, costs=table, granularity=granularity, feeds=feeds
        )
        return StagecutRep(Session(plan))

    @classmethod
    def run_model(
        cls, model: onnx.ModelProto, inputs: Any, device: str = _CPU, **kwargs: Any
    ) -> tuple[Any, ...]:
        names = [value.name for value in model.graph.input]
        feeds = inputs if isinstance(inputs, Mapping) else dict(zip(names, inputs, strict=False))
        return cls.prepare(model, device, feeds=feeds, **kwargs).run(feeds)

    @classmethod
    def run_node(
        cls,
        node: onnx.NodeProto,
        inputs: Sequence[Tensor],
        device: str = _CPU,
        outputs_info: Any = None,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """One operator of the newest version that onnx knows."""
        super().run_node(node, inputs, device, outputs_info)
        names = [name for name in node.input if name]
        feeds = dict(zip(names, inputs, strict=True))
        graph = onnx.helper.make_graph(
            [node],
            "node",
            [_info(name, array) for name, array in feeds.items()],
            [onnx.helper.make_empty_tensor_value_info(name) for name in node.output if name],
        )
        return cls.run_model(onnx.helper.make_model(graph), feeds, device, **kwargs)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        return device == _CPU or any(each.name == device for each in backends.listed())


def _info(name: str, array: Tensor) -> onnx.ValueInfoProto:
    dtype = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    return onnx.helper.make_tensor_value_info(name, dtype, array.shape)


is_compatible = StagecutBackend.is_compatible
prepare = StagecutBackend.prepare
run_model = StagecutBackend.run_model
run_node = StagecutBackend.run_node
supports_device = StagecutBackend.supports_device
