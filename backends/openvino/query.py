"""Whether OpenVINO can run a model, by what it says itself."""

import onnx
import openvino as ov

from stagecut.backends.openvino.library import core, last_line, misshapen


def refusal(model: bytes) -> str:
    """Why an ONNX model cannot be run as a whole; empty where it can.

    The shapes that it declares for its outputs have to be OpenVINO's.
    """
    try:
        read = core().read_model(model)
        able = core().query_model(read, "CPU")
    except Exception as error:  # openvino's own exceptions share no base class
        return f"OpenVINO cannot read it: {last_line(error)}"
    if any(output.get_partial_shape().is_dynamic for output in read.outputs):
        return "OpenVINO does not know the size of its result beforehand"
    missing = [op.get_type_name() for op in read.get_ops() if op.get_friendly_name() not in able]
    if missing:
        return f"OpenVINO's CPU plugin has no {missing[0]}"
    return _misreading(read, onnx.load_from_string(model).graph)


def _misreading(read: ov.Model, graph: onnx.GraphProto) -> str:
    names = {port.name for port in graph.input}
    if not all(port.get_names() & names for port in read.inputs):
        return "OpenVINO forgets the name of its operand"
    for output, port in zip(read.outputs, graph.output, strict=True):
        declared = port.type.tensor_type
        sizes = [dim.dim_value for dim in declared.shape.dim]
        reason = misshapen(output, "its result", sizes) if declared.HasField("shape") else ""
        if reason:
            return reason
    return ""
