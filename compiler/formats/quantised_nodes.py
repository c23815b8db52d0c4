"""Weights in few bits as they stand in an ONNX model: a node writes each from its numbers.

    initializer W, quantised    <=>    W = stagecut.Dequantise <inner, outer, bits, block, turned>
                                                               (values, scales)

`block` is 0 where scales are for whole columns; the weight of a convolution has its `kernel`, the
shape of a row, too. Other nodes read W either way, as the float32
tensor that it stands for.
"""

from collections.abc import Iterator

import onnx_ir as ir
from onnx_ir.convenience import replace_all_uses_with

from stagecut.compiler.formats.quantised_tensor import (
    Form,
    QuantisedMatrix,
    QuantisedTensor,
    stored_parts,
)

DOMAIN, _VERSION = "stagecut", 1
_OP = "Dequantise"
_ATTRIBUTES = ("inner", "outer", "bits", "block", "turned")
_KERNEL = "kernel"


def has_few_bits(model: ir.Model) -> bool:
    """Whether any of its weights is quantised."""
    return next(_quantised(model.graph), None) is not None


def with_nodes(model: ir.Model) -> ir.Model:
    """`model` with a node for each of its quantised weights; itself where it has none."""
    if not has_few_bits(model):
        return model
    model = model.clone()
    graph = model.graph
    nodes = [_node(graph, value, tensor) for value, tensor in [*_quantised(graph)]]
    first = next(iter(graph), None)
    if first is None:
        graph.extend(nodes)
    else:
        graph.insert_before(first, nodes)
    graph.opset_imports[DOMAIN] = _VERSION
    return model


def without_nodes(model: ir.Model) -> str | None:
    """Let `model` have the weights that its nodes write as initializers again. What is wrong with
    the first that is no such weight; None where all are."""
    for node in [each for each in model.graph if each.domain == DOMAIN]:
        try:
            _fold(model.graph, node)
        except (ValueError, KeyError, TypeError) as error:
            said = f"has no attribute {error}" if isinstance(error, KeyError) else str(error)
            return f"weight {_name_of(node)} {said}"
    model.graph.opset_imports.pop(DOMAIN, None)
    return None


def _quantised(graph: ir.Graph) -> Iterator[tuple[ir.Value, QuantisedTensor]]:
    for value in graph.initializers.values():
        if isinstance(value.const_value, QuantisedTensor):
            yield value, value.const_value


def _node(graph: ir.Graph, value: ir.Value, tensor: QuantisedTensor) -> ir.Node:
    """What writes the weight `value`, which is no initializer of `graph` any more."""
    name, form = str(value.name), tensor.matrix.form
    graph.initializers.pop(name)
    parts = []
    for own, part in stored_parts(name, tensor):
        parts.append(ir.val(own, const_value=part))
        graph.register_initializer(parts[-1])
    numbers = form.inner, form.outer, form.bits, form.block or 0, int(tensor.turned)
    attributes: dict[str, int | list[int]] = dict(zip(_ATTRIBUTES, numbers, strict=True))
    if tensor.kernel:
        attributes[_KERNEL] = [*tensor.kernel]
    node = ir.node(_OP, parts, attributes, domain=DOMAIN, version=_VERSION)
    node.name = f"{name}/{_OP}"
    [output] = node.outputs
    output.name, output.type, output.shape = name, ir.TensorType(tensor.dtype), tensor.shape
    replace_all_uses_with(value, output, replace_graph_outputs=True)
    return node


def _fold(graph: ir.Graph, node: ir.Node) -> None:
    """Raises ValueError, with a sentence, where the node is none of ours."""
    tensor = _tensor(graph, node)
    [output] = node.outputs
    parts = [value for value in node.inputs if value is not None]
    value = ir.val(str(tensor.name), const_value=tensor)
    replace_all_uses_with(output, value, replace_graph_outputs=True)
    graph.remove(node, safe=True)
    for part in {id(each): each for each in parts}.values():
        if not part.uses():
            graph.initializers.pop(str(part.name))
    graph.register_initializer(value)


def _tensor(graph: ir.Graph, node: ir.Node) -> QuantisedTensor:
    if node.op_type != _OP or len(node.outputs) != 1:
        raise ValueError(f"is written by {node.domain}.{node.op_type}, which this version lacks")
    inner, outer, bits, block, turned = (node.attributes[key].as_int() for key in _ATTRIBUTES)
    parts = [None if value is None else value.const_value for value in node.inputs]
    known = [each for each in parts if each is not None]
    if len(known) != len(parts) or len(known) != 2:  # values and scales
        raise ValueError("is not written from values and scales")
    if turned not in {0, 1}:
        raise ValueError(f"is turned {turned} times")
    name = _name_of(node)
    if not name or name in graph.initializers:
        raise ValueError("is written twice")
    matrix = QuantisedMatrix(Form(inner, outer, bits, block or None), *known)
    kernel = node.attributes[_KERNEL].as_ints() if _KERNEL in node.attributes else ()
    return QuantisedTensor(name, matrix, turned=bool(turned), kernel=tuple(kernel))


def _name_of(node: ir.Node) -> str:
    return next((str(output.name) for output in node.outputs if output.name), "")
