"""A plan's programs -> one ONNX model whose operators say where they run, for Netron and others.

Every operator carries `stagecut.device`, `stagecut.stage`, `stagecut.node` and
`stagecut.node_takes` in its metadata, and the standard's own fields for several devices (IR
version 11): its pipeline stage, and the device that holds each of its outputs.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx
import onnx_ir as ir

from stagecut.compiler.formats.mapped_tensor import MappedTensor
from stagecut.compiler.ir.device import StagedSchedule
from stagecut.compiler.ir.plan import PlannedNode, PlannedVariant
from stagecut.compiler.report import wording
from stagecut.compiler.report.model.figures import Figure

#: The first version of the file format that knows of several devices.
_IR_VERSION = 11

#: An ONNX file holds 2 GiB at most; some room is left for everything but weights.
_ROOM_BYTES = 3 << 29


def annotated(planned: PlannedVariant, staged: StagedSchedule) -> ir.Model:
    """The program put together again from the programs of `staged`, which stay as they are.

    An input that no stage reads is left out. Weights stay where the programs have them.
    """
    models = [program.model for program in staged.programs]
    values: dict[str, ir.Value] = {}
    weights: dict[str, ir.Value] = {}
    nodes: list[ir.Node] = []
    for model in models:
        nodes += _moved_out(model.graph.clone(), values, weights)
    graph = ir.Graph(
        [values[port.inside] for port in planned.inputs if port.inside in values],
        [values[port.name] for port in planned.outputs],
        nodes=nodes,
        initializers=list(weights.values()),
        opset_imports={
            domain: version for model in models for domain, version in model.opset_imports.items()
        },
        name=planned.name,
    )
    ir_version = max(_IR_VERSION, *(model.ir_version for model in models))
    whole = ir.Model(graph, ir_version=ir_version, producer_name="stagecut")
    _annotate(whole, planned)
    return whole


def write_model(model: ir.Model, path: Path, weights_name: str) -> bool:
    """One file, weights and all; where they are too large for that, they go beside it, which is
    said.

    Its weights belong to no file any more afterwards.
    """
    for value in model.graph.initializers.values():
        if isinstance(value.const_value, MappedTensor):
            value.const_value = value.const_value.in_memory()
    weights = [value.const_value for value in model.graph.initializers.values()]
    if sum(weight.nbytes for weight in weights if weight is not None) < _ROOM_BYTES:
        onnx.save(ir.to_proto(model), path)
        return False
    ir.save(model, path, external_data=weights_name)
    return True


def _moved_out(
    graph: ir.Graph, values: dict[str, ir.Value], weights: dict[str, ir.Value]
) -> Sequence[ir.Node]:
    """The nodes of `graph`, connected to the values that earlier stages wrote."""
    for known, own in ((values, graph.inputs), (weights, graph.initializers.values())):
        for value in list(own):
            fresh = known.setdefault(_name(value), _twin(value))
            ir.convenience.replace_all_uses_with(value, fresh)
    nodes = list(graph)
    graph.outputs.clear()
    graph.remove(nodes)
    values.update({_name(output): output for node in nodes for output in node.outputs})
    return nodes


def _twin(value: ir.Value) -> ir.Value:
    return ir.Value(
        name=value.name, shape=value.shape, type=value.type, const_value=value.const_value
    )


def _name(value: ir.Value) -> str:
    return value.name or ""  # never empty: programs in normal form name every value


def _annotate(model: ir.Model, planned: PlannedVariant) -> None:
    devices = [device.name for device in planned.machine.devices]
    configuration = model.add_device_configuration("stagecut", device_names=devices)
    node_of = _planned_nodes(planned)
    for node in model.graph:
        own = node_of[f"{node.op_type} {node.name}"]
        device = planned.machine.device(planned.schedule.device_of[own.name])
        stage = planned.schedule.stage_of[own.name]
        node.metadata_props.update(
            {
                "stagecut.device": device.name,
                "stagecut.stage": str(stage),
                "stagecut.node": own.name,
                "stagecut.node_takes": wording.time(Figure(own.run_s[device.name], device.basis)),
            }
        )
        index = (devices.index(device.name),)
        sharding = tuple(ir.ShardingSpec(value=output, device=index) for output in node.outputs)
        node.device_configurations = (
            ir.NodeDeviceConfiguration(
                configuration=configuration, sharding_specs=sharding, pipeline_stage=stage
            ),
        )


def _planned_nodes(planned: PlannedVariant) -> Mapping[str, PlannedNode]:
    """The planned node of each operator, which the plan writes as `MatMul its_name`."""
    return {operator: node for node in planned.nodes for operator in node.operators}
