"""Cases out of forms: every version and every type that ONNX's schemas allow.

A form has operands and attributes. It becomes a case of a version where that has the attributes,
takes that many operands, and allows the types that are given. Types that are left open take every
value, one at a time, while the others stay what they are in most models; after an operator's first
forms, they take usual types only.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import onnx
from onnx.defs import OpSchema

from tests.support.operators.case import Attribute, Case, Operand

#: The newest opset that is asked for; ONNX Runtime knows none after it.
NEWEST = 26

#: Types by ONNX's name, best first.
_TYPES = {
    "tensor(float)": "float32",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(bool)": "bool",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(bfloat16)": "bfloat16",
    "tensor(int16)": "int16",
    "tensor(uint16)": "uint16",
    "tensor(uint32)": "uint32",
    "tensor(uint64)": "uint64",
    "tensor(string)": "string",
}


#: So many forms are asked in every type.
_IN_EVERY_TYPE = 4
_USUAL = frozenset({"float32", "int64", "int32", "uint8", "int8", "bool"})


@dataclass(frozen=True, slots=True)
class Form:
    """What an operator is asked, in whatever types and versions allow it."""

    operands: tuple[Operand | None, ...]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    outputs: tuple[bool, ...] = (True,)


def cases(op: str, forms: Iterable[Form]) -> tuple[Case, ...]:
    """Each form in every version of `op`, at the first opset that has it; the first form at the
    last opset of each version, too. Where a version only allows further types, the first forms are
    enough."""
    named = {str(case): case for at, form in enumerate(forms) for case in _of_form(op, form, at)}
    return tuple(named.values())


def case_of(op: str, opset: int, form: Form) -> Case:
    """One form at one opset, in the types that it has in most models."""
    schema = next(each for first, last, each in versions(op) if first <= opset <= last)
    return next(_cases(schema, opset, form, every_type=False))


def _of_form(op: str, form: Form, at: int) -> Iterator[Case]:
    meaning: object = None
    for first, last, schema in versions(op):
        before, meaning = meaning, _meaning(schema)
        if before == meaning and at >= _IN_EVERY_TYPE:
            continue
        for opset in sorted({first, last} if at == 0 else {first}):
            yield from _cases(schema, opset, form, every_type=at < _IN_EVERY_TYPE)


def _meaning(schema: OpSchema) -> object:
    """What a schema says, but for the types that it allows."""
    attributes = {
        name: (each.type, str(each.default_value), each.required, each.description)
        for name, each in schema.attributes.items()
    }
    operands = [(each.name, each.option, each.description) for each in schema.inputs]
    return schema.doc, attributes, operands, len(schema.outputs)


@cache
def versions(op: str) -> tuple[tuple[int, int, OpSchema], ...]:
    """Each schema of `op` that is not deprecated, with its first and last opset."""
    schemas = sorted(
        (each for each in _schemas() if each.name == op), key=lambda each: each.since_version
    )
    starts = [each.since_version for each in schemas] + [NEWEST + 1]
    return tuple(
        (first, min(after - 1, NEWEST), schema)
        for schema, first, after in zip(schemas, starts, starts[1:], strict=False)
        if first <= NEWEST and not schema.deprecated
    )


def operators() -> tuple[str, ...]:
    """Every operator of ONNX's own domain that some opset has."""
    return tuple(sorted({schema.name for schema in _schemas() if versions(schema.name)}))


@cache
def _schemas() -> tuple[OpSchema, ...]:
    return tuple(s for s in onnx.defs.get_all_schemas_with_history() if not s.domain)


def _cases(schema: OpSchema, opset: int, form: Form, *, every_type: bool) -> Iterator[Case]:
    if not _fits(schema, form):
        return
    names = _type_names(schema, len(form.operands))
    given = {
        name: each.dtype
        for name, each in zip(names, form.operands, strict=True)
        if each is not None and each.dtype
    }
    allowed = {name: _allowed(schema, name) for name in dict.fromkeys(names)}
    if any(dtype not in allowed[name] for name, dtype in given.items()):
        return
    present = [n for n, each in zip(names, form.operands, strict=True) if each is not None]
    open_names = [name for name in dict.fromkeys(present) if name not in given]
    if any(not allowed[name] for name in open_names):
        return
    base = given | {name: allowed[name][0] for name in open_names}
    bound = dict.fromkeys(
        tuple((base | {name: dtype}).items())
        for name in open_names
        for dtype in allowed[name]
        if every_type or dtype in _USUAL or dtype == base[name]
    )
    for types in bound or [tuple(base.items())]:
        typed = dict(types)
        operands = tuple(
            None if each is None else replace(each, dtype=each.dtype or typed[name])
            for name, each in zip(names, form.operands, strict=True)
        )
        if all(map(_holds, operands)):
            yield Case(schema.name, opset, operands, form.attributes, form.outputs)


def _fits(schema: OpSchema, form: Form) -> bool:
    return (
        schema.min_input <= len(form.operands) <= schema.max_input
        and schema.min_output <= len(form.outputs) <= schema.max_output
        and form.attributes.keys() <= schema.attributes.keys()
        and all(
            _is_of(schema.attributes[name].type, value) for name, value in form.attributes.items()
        )
        and all(
            name in form.attributes for name, each in schema.attributes.items() if each.required
        )
    )


#: What Python's types are as one attribute, and as a list.
_KINDS = {
    int: (OpSchema.AttrType.INT, OpSchema.AttrType.INTS),
    float: (OpSchema.AttrType.FLOAT, OpSchema.AttrType.FLOATS),
    str: (OpSchema.AttrType.STRING, OpSchema.AttrType.STRINGS),
}


def _is_of(kind: OpSchema.AttrType, value: Attribute) -> bool:
    if isinstance(value, np.ndarray):
        return kind == OpSchema.AttrType.TENSOR
    if isinstance(value, int | float | str):
        return kind == _KINDS[type(value)][0]
    return not value or kind == _KINDS[type(value[0])][1]


def _type_names(schema: OpSchema, count: int) -> list[str]:
    """The type variable, or the one type, of each operand; those of a variadic operand are one."""
    return [schema.inputs[min(at, len(schema.inputs) - 1)].type_str for at in range(count)]


def _allowed(schema: OpSchema, name: str) -> list[str]:
    kinds = next(
        (each.allowed_type_strs for each in schema.type_constraints if each.type_param_str == name),
        [name],
    )
    return [dtype for kind, dtype in _TYPES.items() if kind in kinds]


def _holds(operand: Operand | None) -> bool:
    """Whether its type can hold the values that it is given."""
    if operand is None or operand.values is None:
        return True
    values = operand.values
    numbers = [each for each in values if not isinstance(each, str)]
    if operand.dtype == "string" or len(numbers) < len(values):
        return operand.dtype == "string" and not numbers
    kind = np.dtype(operand.dtype).kind
    if kind in "iu":
        return all(each == int(each) and (each >= 0 or kind == "i") for each in numbers)
    return kind != "b" or all(isinstance(each, bool) for each in numbers)
