"""Score the token behind a prompt only: its other tokens have their successors already.

Before:                                      After:
  logits = MatMul(x, head) [b, n, words]       last = x[:, -1:]
                                               logits = MatMul(last, head) [b, 1, words]
"""

import onnx_ir as ir

from stagecut.compiler.frontends.new_nodes import END, cut

#: Operators that take each row of their first operand by itself.
_BY_ROW = frozenset({"Cast", "Tanh", "LayerNormalization"})
#: The same where the other operand is constant, and no larger than a row.
_WITH_ROW = frozenset({"Add", "Sub", "Mul", "Div"})


def only_last(graph: ir.Graph, name: str, tokens: ir.SymbolicDim) -> None:
    """Let the output `name` have the last row alone, where it is known to have one for each token;
    what is computed by row alone is computed for that row only."""
    output = next((value for value in graph.outputs if value.name == name), None)
    if output is None or not _has_rows(output, tokens):
        return
    rows, _, words = output.shape if output.shape is not None else (None, None, None)
    reader, value = None, output
    while (node := value.producer()) is not None and (reader is None or len(value.uses()) == 1):
        source = _source(node)
        if source is None:
            break
        reader, value = node, source
    if reader is None:
        last = _last_row(graph, output)
        last.name, last.type, output.name = name, output.type, f"{name} of all rows"
        graph.outputs[graph.outputs.index(output)] = output = last
    else:
        reader.replace_input_with(list(reader.inputs).index(value), _last_row(graph, value, reader))
    output.shape = ir.Shape([rows, 1, words])


def _has_rows(output: ir.Value, tokens: ir.SymbolicDim) -> bool:
    shape = output.shape
    return shape is not None and len(shape) == 3 and shape[1] == tokens and not output.uses()


def _source(node: ir.Node) -> ir.Value | None:
    """The operand whose rows those of the result are made of, each by itself; None where it is not
    known to be so."""
    if node.op_type in _BY_ROW and node.attributes.get_int("axis", -1) == -1:
        return node.inputs[0]
    if node.op_type == "MatMul" and _constant_rank(node.inputs[1]) == 2:
        return node.inputs[0]
    if node.op_type in _WITH_ROW:
        for operand, other in (node.inputs[:2], node.inputs[1::-1]):
            if _constant_rank(other) in {0, 1}:
                return operand
    return None


def _constant_rank(value: ir.Value | None) -> int | None:
    """None for what is no constant."""
    if value is None:
        return None
    node = value.producer()
    if node is not None and node.op_type in {"Transpose", "Identity"}:
        return _constant_rank(node.inputs[0])
    held = ir.convenience.get_const_tensor(value)
    return None if held is None else len(held.shape)


def _last_row(graph: ir.Graph, value: ir.Value, before: ir.Node | None = None) -> ir.Value:
    """The last row of `value`, cut off `before` a node, or behind all."""
    nodes = cut(value, -1, END, 1)
    if before is None:
        graph.extend(nodes)
    else:
        graph.insert_before(before, nodes)
    return nodes[-1].outputs[0]
