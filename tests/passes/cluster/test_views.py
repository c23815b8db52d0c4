"""What counts as a view: it only looks at its operand in another way, or works out a shape."""

import pytest

from stagecut.compiler.ir.graph import Operator, Value
from stagecut.passes.cluster.views import is_view

X = Value("x", "float32", (2, 3))
SHAPE = Value("s", "int64", (2,))


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (Operator("a", "Reshape", "", (X, SHAPE), (X,)), True),
        (Operator("a", "Reshape", "com.example", (X, SHAPE), (X,)), False),
        (Operator("a", "Relu", "", (X,), (X,)), False),
        (Operator("a", "Cast", "", (X,), (X,)), False),
        (Operator("a", "Cast", "", (Value("i", "int64", (2, 3)),), (X,)), True),
        (Operator("a", "Gather", "", (SHAPE, SHAPE), (SHAPE,)), True),
    ],
)
def test_is_view(operator: Operator, expected: bool) -> None:
    assert is_view(operator) == expected
