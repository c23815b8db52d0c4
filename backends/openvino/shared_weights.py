"""Large weights stay where they are, mapped from their file, when OpenVINO reads a stage."""

from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir as ir
import openvino as ov
from onnx import helper
from openvino import opset13

from stagecut.backends.openvino.compressed import Compressed
from stagecut.compiler.formats.mapped_tensor import MappedTensor
from stagecut.compiler.ir.device import StageProgram, Tensor


def large_weights(model: ir.Model) -> dict[str, Tensor]:
    """The weights that lie in a file, where they are mapped, by name."""
    return {
        name: _mapped(value.const_value)
        for name, value in model.graph.initializers.items()
        if isinstance(value.const_value, MappedTensor)
    }


def _mapped(tensor: MappedTensor) -> Tensor:
    """The weight in place, writeable, as OpenVINO shares memory only where it is."""
    return np.frombuffer(tensor.data, tensor.dtype.numpy()).reshape(tensor.shape.numpy())


def without_weights(
    stage: StageProgram, weights: dict[str, Tensor], sizes: Mapping[str, tuple[int, ...]]
) -> bytes:
    """The stage's ONNX bytes, its inputs bound to `sizes`, its large weights as further inputs."""
    proto = ir.to_proto(stage.model)
    ranks = {value.name: len(value.shape) for value in stage.inputs}
    for port in proto.graph.input:
        shape = port.type.tensor_type.shape
        if port.name in sizes:
            del shape.dim[:]
            shape.dim.extend(map(_dimension, sizes[port.name]))
        elif not port.type.tensor_type.HasField("shape"):  # OpenVINO wants the rank at least
            shape.dim.extend([onnx.TensorShapeProto.Dimension()] * ranks[port.name])
    kept = [each for each in proto.graph.initializer if each.name not in weights]
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(kept)
    known = {each.name for each in proto.graph.input}
    for name, array in weights.items():
        if name not in known:
            value = stage.model.graph.initializers[name]
            proto.graph.input.append(_as_input(name, value, array))
    data: bytes = proto.SerializeToString()
    return data


def _dimension(size: int) -> onnx.TensorShapeProto.Dimension:
    return onnx.TensorShapeProto.Dimension(dim_value=size)


def _as_input(name: str, value: ir.Value, array: Tensor) -> onnx.ValueInfoProto:
    dtype = value.dtype or ir.DataType.from_numpy(array.dtype)
    return helper.make_tensor_value_info(name, int(dtype), array.shape)


def put_in(
    model: ov.Model, weights: dict[str, Tensor], few: Mapping[str, Compressed]
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
                memory = np.require(weights[name], requirements=("C", "W"))
                kept.append(memory)
                constant = opset13.constant(memory, shared_memory=True)
            for reader in readers:
                reader.replace_source_output(constant.output(0))
            model.remove_parameter(parameter)
    model.validate_nodes_and_infer_types()
    return kept
