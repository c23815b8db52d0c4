"""One operator by itself, on operands of given shapes."""

import pytest

from stagecut.backends.one_operator import one_operator
from stagecut.compiler.ir.errors import ShapeError, UsageError


def test_the_result_has_the_shape_that_onnx_infers() -> None:
    operator = one_operator("MatMul", [(2, 3, 4), (4, 5)])
    assert operator.writes[0].shape == (2, 3, 5)
    assert [value.constant for value in operator.reads] == [False, True]


def test_weights_of_a_norm_are_weights() -> None:
    operator = one_operator("LayerNormalization", [(2, 8), (8,), (8,)])
    assert [value.constant for value in operator.reads] == [False, True, True]


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(UsageError, match="ONNX has no operator 'matmul'"):
        one_operator("matmul", [(1, 2), (2, 3)])
    with pytest.raises(ShapeError, match="does not take 2 operands of these shapes"):
        one_operator("MatMul", [(1, 2), (3, 4)])


@pytest.mark.parametrize(
    "shapes",
    [
        [(1, 2, 8, 64), (1, 2, 8, 63), (1, 2, 8, 64)],
        [(1, 2, 8, 64), (1, 2, 9, 64), (1, 2, 8, 64)],
        [(1, 2, 8, 64), (3, 2, 8, 64), (3, 2, 8, 64)],
        [(1, 2, 3, 4), (1, 3, 8), (1, 3, 8)],
        [(1, 2, 3, 4), (1, 2, 3, 4), (1, 3, 8)],
    ],
)
def test_attention_of_parts_that_do_not_fit_together(shapes: list[tuple[int, ...]]) -> None:
    """ONNX's own inference takes them."""
    with pytest.raises(ShapeError, match="Attention does not take 3 operands of these shapes"):
        one_operator("Attention", shapes)
    grouped = one_operator("Attention", [(1, 4, 8, 64), (1, 2, 9, 64), (1, 2, 9, 32)])
    assert grouped.writes[0].shape == (1, 4, 8, 32)
