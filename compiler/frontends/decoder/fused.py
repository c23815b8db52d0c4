"""Attention in one operator that takes a cache and hands back a longer one: show how it grows.

Before:                                        After:
  y, present = Attention(q, k, v, past)          y, whole = Attention(q, k, v, past)
                                                 new = whole[:, :, Shape(past)[2]:]
                                                 present = Concat(past, new, axis=2)

Then the states can be found (states.py), and the Concat goes again: only the new rows are kept.
"""

import onnx_ir as ir

from stagecut.compiler.frontends.new_nodes import END, cut

#: Of ONNX from opset 23 on, and of ONNX Runtime: which operands are the caches, of keys and values,
#: and which results carry these on.
_CACHES = {
    ("", "Attention"): ((4, 1), (5, 2)),
    ("com.microsoft", "GroupQueryAttention"): ((3, 1), (4, 2)),
}

#: Where tokens lie in these caches: [batch, heads, tokens, size].
_AXIS = 2


def with_growth(model: ir.Model) -> ir.Model:
    """`model` itself where no operator keeps a cache, else another in which each is a Concat."""
    if not any(_pairs(node) for node in model.graph):
        return model
    found = model.clone()
    for node in [*found.graph]:
        for past, present in _pairs(node):
            _show(found.graph, node, past, present)
    return found


def _pairs(node: ir.Node) -> list[tuple[ir.Value, ir.Value]]:
    """The caches that come in as inputs of the model and go out as outputs of it."""
    found = []
    for at, to in _CACHES.get((node.domain, node.op_type), ()):
        past = node.inputs[at] if at < len(node.inputs) else None
        present = node.outputs[to] if to < len(node.outputs) else None
        if past is None or present is None or past.producer() is not None:
            continue
        if past.is_graph_input() and present.is_graph_output():
            found.append((past, present))
    return found


def _show(graph: ir.Graph, node: ir.Node, past: ir.Value, whole: ir.Value) -> None:
    length = ir.node("Shape", [past], {"start": _AXIS, "end": _AXIS + 1})
    *bounds, new = cut(whole, length.outputs[0], END, _AXIS)
    joined = ir.node("Concat", [past, new.outputs[0]], {"axis": _AXIS})
    present = joined.outputs[0]
    present.type, present.shape = whole.type, whole.shape
    present.name, whole.name = whole.name, None
    whole.replace_all_uses_with(present, replace_graph_outputs=True)
    new.replace_input_with(0, whole)
    graph.insert_after(node, [length, *bounds, new, joined])
