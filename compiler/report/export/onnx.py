"""Stages -> one ONNX model whose operators say where they run, for Netron and other tools.

Every operator carries `stagecut.device`, `stagecut.stage`, `stagecut.node` and
`stagecut.node_takes` in its metadata, and the standard's own fields for several devices (IR
version 11): its pipeline stage, and the device that holds each of its outputs.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx
import onnx_ir as ir

from stagecut.compiler.ir.plan import Manifest, PlannedNode
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.report import wording
from stagecut.compiler.report.model.content import Figure

#: The first version of the file format that knows of several devices.
_IR_VERSION = 11

#: An ONNX file holds 2 GiB at most; some room is left for everything but weights.
_ROOM_BYTES = 3 << 29


def annotated(manifest: Manifest, stages: Sequence[Stage]) -> ir.Model:
    """The program put together again from `stages`, which stay as they are.

    An input that no stage reads is left out. Weights stay where the stages have them.
    """
    values: dict[str, ir.Value] = {}
    weights: dict[str, ir.Value] = {}
    nodes: list[ir.Node] = []
    for stage in stages:
        nodes += _moved_out(stage.program.model.graph.clone(), values, weights)
    graph = ir.Graph(
        [values[port.inside] for port in manifest.inputs if port.inside in values],
        [values[port.name] for port in manifest.outputs],
        nodes=nodes,
        initializers=list(weights.values()),
        opset_imports={
            domain: version
            for stage in stages
            for domain, version in stage.program.model.opset_imports.items()
        },
        name=manifest.name,
    )
    ir_version = max(_IR_VERSION, *(stage.program.model.ir_version for stage in stages))
    model = ir.Model(graph, ir_version=ir_version, producer_name="stagecut")
    _annotate(model, manifest)
    return model


def write_model(model: ir.Model, path: Path, weights_name: str) -> None:
    """One file, weights and all; where they are too large for that, they go beside it.

    Loads the weights into `model`.
    """
    weights = [value.const_value for value in model.graph.initializers.values()]
    if sum(weight.nbytes for weight in weights if weight is not None) < _ROOM_BYTES:
        onnx.save(ir.to_proto(ir.external_data.load_to_model(model)), path)
    else:
        ir.save(model, path, external_data=weights_name)


def _moved_out(
    graph: ir.Graph, values: dict[str, ir.Value], weights: dict[str, ir.Value]
) -> Sequence[ir.Node]:
    """The nodes of `graph`, connected to the values that earlier stages wrote."""
    for known, own in ((values, graph.inputs), (weights, graph.initializers.values())):
        for value in list(own):
            fresh = known.setdefault(_name(value), _copied(value))
            ir.convenience.replace_all_uses_with(value, fresh)
    nodes = list(graph)
    graph.outputs.clear()
    graph.remove(nodes)
    values.update({_name(output): output for node in nodes for output in node.outputs})
    return nodes


def _copied(value: ir.Value) -> ir.Value:
    return ir.Value(
        name=value.name, shape=value.shape, type=value.type, const_value=value.const_value
    )


def _name(value: ir.Value) -> str:
    return value.name or ""  # never empty: programs in normal form name every value


def _annotate(model: ir.Model, manifest: Manifest) -> None:
    devices = [device.name for device in manifest.machine.devices]
    configuration = model.add_device_configuration("stagecut", device_names=devices)
    places = _places(manifest)
    for node in model.graph:
        planned = places[f"{node.op_type} {node.name}"]
        basis = manifest.machine.device(planned.device).basis
        node.metadata_props.update(
            {
                "stagecut.device": planned.device,
                "stagecut.stage": str(planned.stage),
                "stagecut.node": planned.name,
                "stagecut.node_takes": wording.time(Figure(planned.run_s[planned.device], basis)),
            }
        )
        place = (devices.index(planned.device),)
        held = tuple(ir.ShardingSpec(value=output, device=place) for output in node.outputs)
        node.device_configurations = (
            ir.NodeDeviceConfiguration(
                configuration=configuration, sharding_specs=held, pipeline_stage=planned.stage
            ),
        )


def _places(manifest: Manifest) -> Mapping[str, PlannedNode]:
    """The planned node of each operator, which the manifest writes as `MatMul its_name`."""
    return {operator: node for node in manifest.nodes for operator in node.operators}
