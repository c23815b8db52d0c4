"""Inline functions, also those that import another opset than the model in which they stand.

ONNX allows that where the function's operators are the same in both: Relu of opset 17 in a model of
opset 18. ONNX Runtime reads the function as one of the model's opset whatever it says.
"""

from collections.abc import Iterator, Mapping, Sequence

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import InlinePass

from stagecut.compiler.frontends.normal_form.versions import schema_of
from stagecut.compiler.ir.errors import ModelError

#: Operators with a new attribute whose default is not what the operator did before.
_OTHER_DEFAULTS = frozenset({"RoiAlign"})


def inline_functions(model: ir.Model) -> None:
    """Raises ModelError for functions that call themselves, or whose operators are others in the
    model's opset."""
    where = f"graph {model.graph.name}"
    for function in model.functions.values():
        _adopt(function, model, where)
    try:
        InlinePass()(model)
    except (ir.passes.PreconditionError, ValueError) as error:
        raise ModelError(
            f"its functions cannot be inlined: {error}",
            where=where,
            fix="let functions not call themselves, nor take graphs as attributes",
        ) from error


def _adopt(function: ir.Function, model: ir.Model, where: str) -> None:
    """Let `function` import the model's opsets."""
    for domain, version in tuple(function.opset_imports.items()):
        wanted = model.opset_imports.setdefault(domain, version)
        for node in _nodes(function, domain) if version != wanted else ():
            if node.op_identifier() not in model.functions and not _same(node, version, wanted):
                raise ModelError(
                    f"{node.op_type} in its function {function.name} is of opset {version}, and "
                    f"another operator in the model's opset {wanted}",
                    where=where,
                    fix=f"export it with one opset for all, or convert the model to {version}",
                )
        function.opset_imports[domain] = wanted


def _nodes(function: ir.Function, domain: str) -> Iterator[ir.Node]:
    return (node for node in function.all_nodes() if node.domain == domain)


def _same(node: ir.Node, one: int, other: int) -> bool:
    """Whether the operator is the same in both versions: the newer one may take more types, and
    operands and attributes that the older one lacks, as these have defaults."""
    older, newer = (
        schema_of(node.op_type, version, node.domain) for version in sorted((one, other))
    )
    if older is None or newer is None or older.since_version == newer.since_version:
        return older is newer is None or (older is not None and newer is not None)
    if node.op_type in _OTHER_DEFAULTS:
        return False
    known = _attributes(newer)
    return (
        all(known.get(name) == each for name, each in _attributes(older).items())
        and _operands(older.inputs) == _operands(newer.inputs)[: len(older.inputs)]
        and _operands(older.outputs) == _operands(newer.outputs)
    )


def _attributes(schema: onnx.defs.OpSchema) -> Mapping[str, object]:
    return {
        name: (each.type, each.required, each.default_value.SerializeToString())
        for name, each in schema.attributes.items()
    }


def _operands(formal: Sequence[onnx.defs.OpSchema.FormalParameter]) -> list[object]:
    return [(each.name, each.option) for each in formal]
