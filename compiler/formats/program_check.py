"""Check that a plan's programs hang together, and are those that its document says.

Done when they are read: whoever prepares or shows them need not check again.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

import onnx
import onnx_ir as ir

from stagecut.compiler.formats.model_tensors import bodies, tensors
from stagecut.compiler.ir.border import carrier
from stagecut.compiler.ir.device import StageProgram
from stagecut.compiler.ir.errors import PlanError
from stagecut.compiler.ir.graph import Value, fits
from stagecut.compiler.ir.plan import PlannedRun, PlannedVariant

#: No domain but ONNX's own has come near so many versions.
_NEWEST = 1000


def model_problems(model: ir.Model) -> Iterator[str]:
    """What keeps a model, or its functions, from being one at all."""
    for kept in tensors(model):
        if kept.tensor.dtype == ir.DataType.UNDEFINED:
            yield f"has tensor {kept.tensor.name} without a type"
    for value in model.graph.inputs:
        if value.type is None:
            yield f"has input {value.name} without a type"
    yield from _in_graph(model.graph, frozenset())
    yield from _opsets(model.graph, model.opset_imports)
    for function in model.functions.values():
        yield from _in_graph(function.graph, frozenset())
        yield from _opsets(function.graph, function.opset_imports)


def _in_graph(graph: ir.Graph, outside: Set[ir.Value]) -> Iterator[str]:
    """Everything is written before it is read; `outside` are the values around the graph."""
    known = {*outside, *graph.inputs, *graph.initializers.values()}
    for value in graph.initializers.values():
        if value.const_value is None:
            yield f"has no numbers for {value.name}"
    for node in graph:
        for operand in node.inputs:
            if operand is not None and operand not in known:
                yield f"reads {operand.name} in {node.name}, where nothing has written it"
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.UNDEFINED:
                yield f"has attribute {attribute.name} of {node.name} without a type"
        for body in bodies(node):
            yield from _in_graph(body, known)
        known.update(node.outputs)
        yield from _untyped(node.outputs)
    yield from _untyped(graph.inputs)
    for value in graph.outputs:
        if value not in known:
            yield f"hands back {value.name}, which nothing writes"


def _opsets(graph: ir.Graph, imported: Mapping[str, int]) -> Iterator[str]:
    """Engines may look for an operator in all versions up to the one that is imported."""
    for domain, version in imported.items():
        newest = _NEWEST if domain else onnx.defs.onnx_opset_version()
        if not 1 <= version <= newest:
            yield f"is of version {version} of {domain or 'ONNX'}, where {newest} is the newest"
    for node in graph.all_nodes():
        if node.domain not in imported:
            yield f"does not say which version of {node.domain or 'ONNX'} node {node.name} is of"


def _untyped(values: Iterable[ir.Value]) -> Iterator[str]:
    for value in values:
        if isinstance(value.type, ir.TensorType) and value.dtype == ir.DataType.UNDEFINED:
            yield f"has {value.name} without a type"


def check_open_model(planned: PlannedVariant, model: ir.Model, where: str) -> None:
    """Raises PlanError unless the whole model has the plan's inputs and outputs, and the types of
    all that its stages hand to each other."""
    problem = next(_in_open_model(planned, model.graph), None)
    if problem is not None:
        raise _refusal(problem, where)


def _in_open_model(planned: PlannedVariant, graph: ir.Graph) -> Iterator[str]:
    inputs = [Value(port.inside, carrier(port.dtype), port.shape) for port in planned.inputs]
    outputs = [Value(port.name, carrier(port.dtype), port.shape) for port in planned.outputs]
    yield from _in_ports("input", graph.inputs, inputs)
    yield from _in_ports("output", graph.outputs, outputs)
    stages = (*planned.stages, *(planned.fallback.stages if planned.fallback else ()))
    handed_over = {port.name for stage in stages for port in stage.outputs}
    for node in graph:
        for value in node.outputs:
            if value.name in handed_over and not isinstance(value.type, ir.TensorType):
                yield f"has {value.name} without a type"


def check_programs(
    planned: PlannedVariant, run: PlannedRun, programs: Sequence[StageProgram], where: str
) -> None:
    """Raises PlanError for the first program of `run` that is of another stage, or of none."""
    operators = {node.name: node.operators for node in planned.nodes}
    for stage, program in zip(run.schedule.stages, programs, strict=True):
        expected = Counter(operator for node in stage.nodes for operator in operators[node])
        problem = next(_problems(program, expected), None)
        if problem is not None:
            raise _refusal(problem, f"{where}: {program.name}.onnx")


def _refusal(problem: str, where: str) -> PlanError:
    return PlanError(
        problem, where=where, fix="compile the model again with this version of stagecut"
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
        elif value.shape is not None and not fits(tuple(value.shape), port.shape):
            yield f"has {kind} {port.name} as {value.shape}, and plan.json as {[*port.shape]}"


def _dtype(kind: ir.TensorType) -> str:
    if kind.dtype == ir.DataType.STRING:
        return "string"
    try:
        return kind.dtype.numpy().name
    except TypeError:  # a type without numbers
        return str(kind.dtype)
