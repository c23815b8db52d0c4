"""What a step of decoding has to read from memory: all weights, and what the sequence holds.

Where a token takes no longer than reading them, its engine cannot be faster.
"""

import onnx_ir as ir

from stagecut.compiler.formats.quantised_tensor import stored_parts
from stagecut.compiler.ir.device import StagedSchedule
from stagecut.compiler.ir.state import Decoding

#: Operators that read a few rows of their first operand, and no more.
_BY_ROW = frozenset({"Gather", "GatherElements", "GatherND"})


def weight_bytes(staged: StagedSchedule) -> int:
    """What the stages read of their weights, as they are stored: each once, in whichever stages it
    is; those of which rows are looked up do not count."""
    found: dict[tuple[object, ...], int] = {}
    for program in staged.programs:
        graph = program.model.graph
        for name, value in graph.initializers.items():
            if value.const_value is not None and _is_read(value):
                for own, part in stored_parts(name, value.const_value):
                    found[_place(part, program.name, own)] = part.nbytes
    return sum(found.values())


def step_bytes(weights: int, held: int, decoding: Decoding, length: float) -> float:
    """What a token behind `length` others has to read, of `weights` and of what is `held` beside
    tokens all; all that there is room for of states that are read whole."""
    rows = (
        state.row_bytes * (decoding.capacity if state.whole else length)
        for state in decoding.states
    )
    return weights + held + sum(rows)


def _is_read(value: ir.Value) -> bool:
    return any(usage.idx or usage.node.op_type not in _BY_ROW for usage in value.uses())


def _place(tensor: ir.TensorProtocol, program: str, name: str) -> tuple[object, ...]:
    """Equal for the same bytes of the plan's weight file; small weights are each stage's own."""
    offset = getattr(tensor, "offset", None)
    return (program, name) if offset is None else (offset, tensor.nbytes)
