"""Check that the programs of a plan's stages are those that its document says.

Done when they are read: whoever prepares or shows them need not check again.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import onnx_ir as ir

from stagecut.compiler.ir.device import StageProgram
from stagecut.compiler.ir.errors import PlanError
from stagecut.compiler.ir.graph import Value
from stagecut.compiler.ir.plan import PlannedRun, PlannedVariant


def check_programs(
    planned: PlannedVariant, run: PlannedRun, programs: Sequence[StageProgram], where: str
) -> None:
    """Raises PlanError for the first program of `run` that is of another stage, or of none."""
    operators = {node.name: node.operators for node in planned.nodes}
    for stage, program in zip(run.schedule.stages, programs, strict=True):
        expected = Counter(operator for node in stage.nodes for operator in operators[node])
        problem = next(_problems(program, expected), None)
        if problem is not None:
            raise PlanError(
                problem,
                where=f"{where}: {program.name}.onnx",
                fix="compile the model again with this version of stagecut",
            )


def _problems(program: StageProgram, operators: Counter[str]) -> Iterator[str]:
    graph = program.model.graph
    if Counter(f"{node.op_type} {node.name}" for node in graph) != operators:
        yield "has other operators than its nodes in plan.json"
    yield from _in_ports("input", graph.inputs, program.inputs)
    yield from _in_ports("output", graph.outputs, program.outputs)


def _in_ports(kind: str, found: Sequence[ir.Value], expected: Sequence[Value]) -> Iterator[str]:
    if [value.name for value in found] != [value.name for value in expected]:
        yield f"has other {kind}s than plan.json says"
        return
    for value, port in zip(found, expected, strict=True):
        if isinstance(value.type, ir.TensorType) and _dtype(value.type) != port.dtype:
            yield f"has {kind} {port.name} as {_dtype(value.type)}, and plan.json as {port.dtype}"
        elif value.shape is not None and not _fits(value.shape, port.shape):
            yield f"has {kind} {port.name} as {value.shape}, and plan.json as {[*port.shape]}"


def _fits(shape: ir.Shape, sizes: tuple[int, ...]) -> bool:
    """Whether the sizes are those of the shape, as far as it has any."""
    return len(shape) == len(sizes) and all(
        not isinstance(dim, int) or dim == size for dim, size in zip(shape, sizes, strict=True)
    )


def _dtype(kind: ir.TensorType) -> str:
    if kind.dtype == ir.DataType.STRING:
        return "string"
    try:
        return kind.dtype.numpy().name
    except TypeError:  # a type without numbers
        return str(kind.dtype)
