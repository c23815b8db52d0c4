"""A small model of products with weights, for devices that hold these in fewer bits."""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

SIZE = 32


def products(count: int = 3, rows: int = 4, seed: int = 0) -> onnx.ModelProto:
    """x -> MatMul, Tanh, ... -> the last of `count` products, m0, m1 and so on, with its Tanh."""
    rng = np.random.default_rng(seed)
    nodes, weights, last = [], [], "x"
    for at in range(count):
        weight = (rng.standard_normal((SIZE, SIZE)) / SIZE**0.5).astype(np.float32)
        weights.append(numpy_helper.from_array(weight, f"w{at}"))
        nodes.append(helper.make_node("MatMul", [last, f"w{at}"], [f"h{at}"], f"m{at}"))
        nodes.append(helper.make_node("Tanh", [f"h{at}"], [f"t{at}"], f"a{at}"))
        last = f"t{at}"
    return _model(nodes, last, (rows, SIZE), weights)


def side_by_side() -> onnx.ModelProto:
    """Four products of x with a weight each, m0 to m3, whose Tanh are outputs."""
    model, outputs = products(4), []
    for node in model.graph.node:
        if node.op_type == "MatMul":
            node.input[0] = "x"
        else:
            port = helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, (4, SIZE))
            outputs.append(port)
    del model.graph.output[:]
    model.graph.output.extend(outputs)
    return model


def nothing_to_quantise() -> onnx.ModelProto:
    """x -> Tanh."""
    return _model([helper.make_node("Tanh", ["x"], ["y"], "a")], "y", (4, SIZE), [])


def _model(
    nodes: Sequence[onnx.NodeProto],
    output: str,
    shape: tuple[int, ...],
    weights: Sequence[onnx.TensorProto],
) -> onnx.ModelProto:
    port, kind = helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    inputs, outputs = [port("x", kind, shape)], [port(output, kind, shape)]
    graph = helper.make_graph(nodes, "products", inputs, outputs, weights)
    imports = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)
