"""One node out of several."""

from collections.abc import Sequence

from stagecut.compiler.ir.graph import Node, Value
from stagecut.passes.cluster.views import is_view


def joined(members: Sequence[Node], outputs: Sequence[Value]) -> Node:
    """One node with the name of its heaviest member and the operators of all of them."""
    written = {value.name for node in members for value in node.outputs}
    read = {value.name: value for node in members for value in node.inputs}
    weights = {weight.name: weight for node in members for weight in node.weights}
    operators = tuple(operator for node in members for operator in node.operators)
    working = [operator.op for operator in operators if not is_view(operator)]
    return Node(
        name=max(members, key=lambda node: node.flops).name,
        op="+".join(working or [operator.op for operator in operators]),
        operators=operators,
        inputs=tuple(value for name, value in read.items() if name not in written),
        outputs=tuple(outputs),
        weights=tuple(weights.values()),
        flops=sum(node.flops for node in members),
    )
