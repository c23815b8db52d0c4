"""FLOPs from the definitions: figures that a reader can work out by hand."""

import pytest

from stagecut.compiler.frontends.flops import flops
from stagecut.compiler.frontends.normal_form.normalise import normalise
from stagecut.compiler.frontends.onnx_file import import_proto
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.errors import ModelError
from stagecut.compiler.ir.graph import Operator
from tests.support.onnx_models import TinyModel

COUNTS = {
    "a product of 2x4 by 4x3": (
        "(float[2,4] a, float[4,3] b) => (float[2,3] y) { y = MatMul(a, b) }",
        2 * 2 * 3 * 4,
    ),
    "a product for each of 5 pairs of matrices": (
        "(float[5,2,4] a, float[5,4,3] b) => (float[5,2,3] y) { y = MatMul(a, b) }",
        5 * 2 * 2 * 3 * 4,
    ),
    "a product of two vectors": (
        "(float[4] a, float[4] b) => (float y) { y = MatMul(a, b) }",
        2 * 4,
    ),
    "a transposed product of ONNX Runtime's": (
        "(float[4,2] a, float[4,3] b) => (float[2,3] y)"
        "{ y = com.microsoft.FusedMatMul<transA = 1>(a, b) }",
        2 * 2 * 3 * 4,
    ),
    "a Gemm with a transposed operand and a bias": (
        "(float[4,2] a, float[4,3] b, float[3] c) => (float[2,3] y)"
        "{ y = Gemm<transA = 1>(a, b, c) }",
        2 * 2 * 3 * 4 + 2 * 3,
    ),
    "a Gemm without a bias": (
        "(float[2,4] a, float[4,3] b) => (float[2,3] y) { y = Gemm(a, b) }",
        2 * 2 * 3 * 4,
    ),
    "a convolution of 8 channels in 2 groups by 3x3": (
        "(float[1,8,6,6] x, float[16,4,3,3] w) => (float[1,16,4,4] y){ y = Conv<group = 2>(x, w) }",
        2 * (16 * 4 * 4) * (4 * 3 * 3),
    ),
    "a transposed convolution": (
        "(float[1,8,5,5] x, float[8,4,2,2] w) => (float[1,4,6,6] y) { y = ConvTranspose(x, w) }",
        2 * (8 * 5 * 5) * (4 * 2 * 2),
    ),
    "a 2x2 pool": (
        "(float[1,3,6,6] x) => (float[1,3,5,5] y) { y = MaxPool<kernel_shape = [2, 2]>(x) }",
        3 * 5 * 5 * 4,
    ),
    "a global pool": ("(float[1,3,6,6] x) => (float[1,3,1,1] y) { y = GlobalAveragePool(x) }", 108),
    "a sum over everything": ("(float[6,7] x) => (float[1,1] y) { y = ReduceSum(x) }", 42),
    "an einsum that is a batch of products": (
        "(float[5,2,4] a, float[5,4,3] b) => (float[5,2,3] y)"
        '{ y = Einsum<equation = "bij,bjk->bik">(a, b) }',
        2 * 5 * 2 * 4 * 3,
    ),
    "an einsum with an ellipsis": (
        '(float[5,6,2] a, float[2] b) => (float[5,6] y) { y = Einsum<equation = "...i, i">(a, b) }',
        2 * 5 * 6 * 2,
    ),
    "an LSTM of 3 steps": (
        "(float[3,1,2] x, float[1,16,2] w, float[1,16,4] r) => (float[3,1,1,4] y)"
        "{ y = LSTM<hidden_size = 4>(x, w, r) }",
        3 * 2 * (16 * 2 + 16 * 4),
    ),
    "attention of 3 queries to 5 keys in 2 heads of 4": (
        "(float[1,2,3,4] q, float[1,2,5,4] k, float[1,2,5,4] v) => (float[1,2,3,4] y)"
        "{ y = Attention(q, k, v) }",
        2 * (2 * 2 * 3 * 5 * 4),
    ),
    "an element each": ("(float[2,4] x) => (float[2,4] y) { y = Exp(x) }", 8),
    "a broadcast sum": ("(float[2,1] a, float[3] b) => (float[2,3] y) { y = Add(a, b) }", 6),
    "a view": ("(float[2,4] x) => (float[4,2] y) { y = Transpose(x) }", 0),
    "control flow": (
        "(float[2] x, bool c) => (float[2] y) { y = If(c) <"
        "then_branch = a () => (float[2] t) { t = Neg(x) },"
        "else_branch = b () => (float[2] e) { e = Abs(x) } > }",
        0,
    ),
}


@pytest.mark.parametrize(("body", "expected"), COUNTS.values(), ids=COUNTS.keys())
def test_flops(body: str, expected: int) -> None:
    proto = TinyModel(f"g {body}").proto()
    proto.opset_import[0].version = 23
    (node,) = graph_of(normalise(import_proto(proto))).nodes
    assert node.flops == expected


def test_a_missing_operand_is_named() -> None:
    with pytest.raises(ModelError, match=r"node n \(Conv\): operand 1 is missing"):
        flops(Operator("n", "Conv", "", (), ()))
