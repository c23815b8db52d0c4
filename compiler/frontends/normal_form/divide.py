"""Divide by a square root, where an exporter multiplies with its reciprocal, as of torch's rsqrt.

Before:                      After:
  s = Sqrt(v)                  s = Sqrt(v)
  r = Reciprocal(s)            y = Div(x, s)
  y = Mul(x, r)

ONNX Runtime looks for a division in what it runs as one kernel, a normalisation by the root of the
mean square; there are two of these in each layer of a llama-like model, of six operators each.
"""

import onnx_ir as ir
from onnx_ir.convenience import replace_nodes_and_values


def divide(model: ir.Model) -> None:
    """Rewrite every product whose factor is such a reciprocal, and read by nothing else."""
    for graph in model.graphs():
        if isinstance(graph, ir.Graph):
            for product in [node for node in graph if node.op_type == "Mul" and not node.domain]:
                _divide(graph, product)


def _divide(graph: ir.Graph, product: ir.Node) -> None:
    for at, factor in enumerate(product.inputs):
        reciprocal = None if factor is None else factor.producer()
        root = None if reciprocal is None else _root(reciprocal)
        other = product.inputs[1 - at]
        if reciprocal is None or reciprocal.graph is not graph or root is None or other is None:
            continue
        division = ir.node("Div", [other, root], name=product.name)
        replace_nodes_and_values(
            graph, product, [product], [division], product.outputs, division.outputs
        )
        graph.remove(reciprocal, safe=True)
        return


def _root(reciprocal: ir.Node) -> ir.Value | None:
    """The square root that it is the reciprocal of, where one product alone reads that."""
    if reciprocal.op_type != "Reciprocal" or reciprocal.domain:
        return None
    factor = reciprocal.outputs[0]
    if len(factor.uses()) != 1 or factor.is_graph_output():
        return None
    root = reciprocal.inputs[0]
    maker = None if root is None else root.producer()
    return root if maker is not None and maker.op_type == "Sqrt" and not maker.domain else None
