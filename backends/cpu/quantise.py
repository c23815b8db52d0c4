"""Stages with quantised weights for ONNX Runtime: each product in the place of a MatMul or a Gemm.

y = Gemm(x, W, b)    y = MatMul(x, W) + b first, as the tools leave a Gemm as it is
"""

from dataclasses import replace

import onnx_ir as ir
from onnx_ir.convenience import replace_nodes_and_values

from stagecut.backends.quantised.products import Product, Target, product, targets
from stagecut.backends.quantised.scheme import Scheme
from stagecut.compiler.ir.device import StageProgram

#: ONNX Runtime's own operators, and their version.
_CONTRIB, _CONTRIB_VERSION = "com.microsoft", 1


def quantised(stage: StageProgram, scheme: Scheme) -> tuple[StageProgram, tuple[Product, ...]]:
    """The stage with all products quantised that the scheme is for, and what has to be kept while
    it is in use. Raises EngineError where a tool leaves one as it is."""
    model = stage.model.clone()
    found = [*targets(model.graph, scheme)]
    if not found:
        return stage, ()
    products = tuple(_replaced(model.graph, target, scheme) for target in found)
    model.graph.opset_imports.setdefault(_CONTRIB, _CONTRIB_VERSION)
    _drop_unread(model.graph)
    return replace(stage, model=model), products


def _replaced(graph: ir.Graph, target: Target, scheme: Scheme) -> Product:
    """Put the quantised product in the place of the target."""
    node = target.node
    made = product(target.weight, scheme, str(node.name))
    copy = made.model.graph.clone()
    _name_apart(copy, str(node.outputs[0].name))
    for name, value in [*copy.initializers.items()]:
        copy.initializers.pop(name)
        graph.register_initializer(value)
    [x], [y] = copy.inputs, copy.outputs
    x.replace_all_uses_with(target.x)
    nodes = [*copy]
    copy.outputs.clear()
    copy.remove(nodes)
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is not None:
        added = ir.node("Add", [y, bias], name=f"{node.name}/bias")
        added.outputs[0].name = f"{y.name}/biased"
        nodes.append(added)
        [y] = added.outputs
    y.type, y.shape = node.outputs[0].type, node.outputs[0].shape
    replace_nodes_and_values(graph, node, [node], nodes, node.outputs, [y])
    return made


def _name_apart(graph: ir.Graph, prefix: str) -> None:
    """Every name of `graph` begins with that of what it is for."""
    for node in graph:
        node.name = f"{prefix}/{node.name}"
        for output in node.outputs:
            output.name = f"{prefix}/{output.name}"
    for name, value in [*graph.initializers.items()]:
        graph.initializers.pop(name)
        value.name = f"{prefix}/{name}"
        graph.register_initializer(value)


def _drop_unread(graph: ir.Graph) -> None:
    """The weights that were quantised, where nothing else reads them."""
    for name, value in [*graph.initializers.items()]:
        if not value.uses() and not value.is_graph_output():
            graph.initializers.pop(name)
