"""Refuse a model that no engine could run: versions too new, operators that nobody defines,
values that nothing writes.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache

import onnx
import onnx_ir as ir

from stagecut.compiler.formats.model_tensors import bodies
from stagecut.compiler.frontends.normal_form.inlined_size import check_inlined_size
from stagecut.compiler.frontends.normal_form.versions import (
    check_ir_version,
    check_opsets,
    schema_of,
)
from stagecut.compiler.frontends.normal_form.walk import defined, given
from stagecut.compiler.ir.errors import ModelError
from stagecut.compiler.ir.text import suggestion


def verify(model: ir.Model, source: str) -> None:
    """Raise ModelError where no engine could run `model`, or where it contradicts itself."""
    check_ir_version(model.ir_version, source)
    operators = _known_operators()
    graphs: list[ir.Graph | ir.Function] = [model.graph, *model.functions.values()]
    for graph in graphs:
        check_opsets(graph.opset_imports, source)
        for node in ir.traversal.RecursiveGraphIterator(graph):
            if node.op_identifier() not in model.functions:
                _check_operator(node, graph.opset_imports, operators)
        _check_order(graph, ())
    for body in model.graphs():
        _check_weights(body)
    check_inlined_size(model)


@cache
def _known_operators() -> Mapping[tuple[str, str], int]:
    """Every operator of ONNX and ONNX Runtime by domain and name, with the first opset it is in."""
    from stagecut.compiler.onnx_runtime import ort

    own = ort.capi.onnxruntime_pybind11_state.get_all_operator_schema()
    first: dict[tuple[str, str], int] = {}
    for schema in (*onnx.defs.get_all_schemas_with_history(), *own):
        key = (schema.domain, schema.name)
        first[key] = min(schema.since_version, first.get(key, schema.since_version))
    return first


def _check_operator(
    node: ir.Node, imports: Mapping[str, int], operators: Mapping[tuple[str, str], int]
) -> None:
    domain = node.domain or "ai.onnx"
    where = f"node {node.name or '(unnamed)'} ({node.op_type} of {domain})"
    since = operators.get((node.domain, node.op_type))
    if since is None:
        known = [name for domain, name in operators if domain == node.domain]
        raise ModelError(
            "neither ONNX, ONNX Runtime nor the model itself defines this operator",
            where=where,
            fix=suggestion(
                node.op_type,
                known,
                "define it as a function in the model, or export the model without it",
            ),
        )
    imported = imports.get(node.domain)
    if imported is None:
        raise ModelError(
            f"the model does not import the domain {domain}",
            where=where,
            fix=f"add an opset import of {domain}, version {since} or newer",
        )
    if imported < since:
        raise ModelError(
            f"the operator exists since opset {since}, the model imports {imported}",
            where=where,
            fix=f"convert the model to opset {since} or newer",
        )
    for problem in _malformed(node, schema_of(node.op_type, imported, node.domain)):
        raise ModelError(
            problem,
            where=where,
            fix="check it with onnx.checker.check_model; export, copy or download it again",
        )


def _malformed(node: ir.Node, schema: onnx.defs.OpSchema | None) -> Iterator[str]:
    """What no operator of its name has: all that comes behind relies on it."""
    if schema is None:
        return
    for what, found, least, most in (
        ("input", len(node.inputs), schema.min_input, schema.max_input),
        ("output", len(node.outputs), schema.min_output, schema.max_output),
    ):
        if not least <= found <= most:
            allowed = f"{least}" if least == most else f"{least} to {most}"
            yield f"has {found} {what}{'' if found == 1 else 's'}, not {allowed}"
    for name, attribute in node.attributes.items():
        formal = schema.attributes.get(name)
        kind = attribute.type.name if formal is None else str(formal.type).rpartition(".")[2]
        if attribute.type.name != kind:
            is_, wanted = attribute.type.name.lower(), kind.lower()
            yield f"its attribute {name} is of type {is_}, not {wanted}"
        elif isinstance(attribute.value, bytes):
            yield f"its attribute {name} is no text"


def _check_order(graph: ir.Graph | ir.Function, outer: Iterable[ir.Value]) -> None:
    """Every value must be written before it is read, and every output in its own graph."""
    written = {*outer, *given(graph)}
    for node in graph:
        for value in node.inputs:
            if value is not None and value not in written:
                raise ModelError(
                    f"reads {value.name!r}, which nothing before it writes",
                    where=f"node {node.name or '(unnamed)'} ({node.op_type})",
                    fix="add what is missing, or sort the nodes topologically",
                )
        for body in bodies(node):
            _check_order(body, written)
        written.update(node.outputs)
    own = set(defined(graph))
    for value in graph.outputs:
        if value not in own:
            raise ModelError(
                f"nothing in the graph writes its output {value.name!r}",
                where=f"graph {graph.name}",
                fix="remove the output, or add the node that writes it",
            )


def _check_weights(graph: ir.Graph) -> None:
    for name, value in graph.initializers.items():
        if value.const_value is None:
            raise ModelError(
                f"weight {name!r} has no numbers",
                where=f"graph {graph.name}",
                fix="load the weights before compiling, or save the model with them",
            )
