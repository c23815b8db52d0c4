"""Refuse a Loop of which one sees that it never ends: nothing in it changes the condition.

    Loop(trips: none, or more than 10^9; condition: true or none)
        body(number, condition, ...) -> condition, or a constant true

A condition that is computed may become false at any turn: such a loop is run, for a limited time
where only its run tells shapes (limited_run.py).
"""

import onnx_ir as ir

from stagecut.compiler.ir.errors import ModelError

#: A thousand seconds at a microsecond a turn, which is quick.
_MOST_TRIPS = 10**9


def refuse_endless(node: ir.Node) -> None:
    """Raises ModelError for such a loop; `node` is one that always runs."""
    if node.op_type != "Loop" or node.domain or not node.inputs:
        return
    trips, condition = (*node.inputs, None)[:2]
    most = _constant(trips) if trips else None
    stops = trips and (most is None or most <= _MOST_TRIPS)
    may_not_begin = condition and not _constant(condition)
    if stops or may_not_begin or not _stays_true(node.attributes["body"].as_graph()):
        return
    raise ModelError(
        f"makes {most or 'any number of'} turns, as nothing in it changes its condition",
        where=f"node {node.name or '(unnamed)'} (Loop)",
        fix=f"compute its condition in its body, or let it make {_MOST_TRIPS} turns at most",
    )


def _stays_true(body: ir.Graph) -> bool:
    """Whether the condition of the next turn is always that of this one, or true."""
    condition: ir.Value | None = body.outputs[0]
    while condition and (node := condition.producer()) and node.op_type == "Identity":
        condition = node.inputs[0]
    if condition is None:
        return False
    return condition in body.inputs[1:2] or bool(_constant(condition))


def _constant(value: ir.Value) -> int | None:
    """The one number that a constant holds; None for all else."""
    tensor = ir.convenience.get_const_tensor(value)
    return int(tensor.numpy().item()) if tensor is not None and tensor.size == 1 else None
