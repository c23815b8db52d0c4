"""Operators that only look at their operand in another way, or work out shapes."""

from stagecut.compiler.ir.graph import Operator, Value

_VIEWS = frozenset(
    {"Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Expand"}
    | {"Shape", "Size", "Range", "ConstantOfShape", "Constant", "CastLike", "Dropout"}
)

#: Integers up to this many are taken for shape arithmetic.
_SHAPE_ELEMENTS = 16


def is_view(operator: Operator) -> bool:
    if operator.domain:
        return False
    if operator.op in _VIEWS:
        return True
    source = operator.inputs[0] if operator.inputs else None
    if operator.op == "Cast" and source is not None and not source.dtype.startswith("float"):
        return True
    return bool(operator.writes) and all(map(_is_shape_like, operator.writes))


def _is_shape_like(value: Value) -> bool:
    integer = value.dtype in {"int64", "int32", "bool"}
    return integer and len(value.shape) <= 1 and value.elements <= _SHAPE_ELEMENTS
