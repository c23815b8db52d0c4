"""Large weights stay where they are, mapped from their file, when OpenVINO reads a stage."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx_ir as ir
import openvino as ov
from openvino import opset13

from stagecut.compiler.formats.mapped_tensor import MappedTensor
from stagecut.compiler.ir.device import StageProgram, Tensor, as_array

if TYPE_CHECKING:
    from stagecut.backends.openvino.compressed import Compressed


def beside_model(model: ir.Model, few: "Mapping[str, Compressed]") -> dict[str, ir.TensorProtocol]:
    """The weights that OpenVINO does not read with the model, by name: those that lie in a file,
    where they are mapped, and those in few bits."""
    return {
        name: value.const_value
        for name, value in model.graph.initializers.items()
        if isinstance(value.const_value, MappedTensor)
        or (name in few and value.const_value is not None)
    }


def _in_place(tensor: ir.TensorProtocol) -> Tensor:
    """The weight, where it is mapped; writeable, as OpenVINO shares memory only where it is."""
    if isinstance(tensor, MappedTensor):
        return np.frombuffer(tensor.data, tensor.dtype.numpy()).reshape(tensor.shape.numpy())
    return np.require(as_array(tensor), requirements=("C", "W"))


def without_weights(
    stage: StageProgram,
    weights: Mapping[str, ir.TensorProtocol],
    sizes: Mapping[str, tuple[int, ...]],
) -> bytes:
    """The stage's ONNX bytes, its inputs bound to `sizes`, and `weights` as further inputs."""
    model = stage.model.clone()
    known = {value.name for value in model.graph.inputs}
    for name, tensor in weights.items():
        value = model.graph.initializers.pop(name)
        if name not in known:
            value.type = ir.TensorType(tensor.dtype)
            value.shape = ir.Shape(tensor.shape.numpy())
            model.graph.inputs.append(value)
    proto = ir.serde.serialize_model(model)
    ranks = {value.name: len(value.shape) for value in stage.inputs}
    for port in proto.graph.input:
        shape = port.type.tensor_type.shape
        if port.name in sizes:
            del shape.dim[:]
            shape.dim.extend(map(_dimension, sizes[port.name]))
        elif not port.type.tensor_type.HasField("shape"):  # OpenVINO wants the rank at least
            shape.dim.extend([onnx.TensorShapeProto.Dimension()] * ranks[port.name])
    data: bytes = proto.SerializeToString()
    return data


def _dimension(size: int) -> onnx.TensorShapeProto.Dimension:
    return onnx.TensorShapeProto.Dimension(dim_value=size)


def put_in(
    model: ov.Model, weights: Mapping[str, ir.TensorProtocol], few: "Mapping[str, Compressed]"
) -> list[object]:
    """Replace the inputs that stand for weights by constants: in few bits for products that are
    there in them, else as they are, without copying those that are mapped. What has to be kept
    while the constants are in use."""
    kept: list[object] = []
    for parameter in list(model.get_parameters()):
        found = parameter.output(0).get_names() & weights.keys()
        if found:
            name = found.pop()
            if name in few:
                kept += few[name].put_in(parameter)
            readers = parameter.output(0).get_target_inputs()
            if readers:
                memory = _in_place(weights[name])
                kept.append(memory)
                constant = opset13.constant(memory, shared_memory=True)
            for reader in readers:
                reader.replace_source_output(constant.output(0))
            model.remove_parameter(parameter)
    model.validate_nodes_and_infer_types()
    return kept
