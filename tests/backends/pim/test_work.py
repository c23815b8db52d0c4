"""What a PIM device takes on, and the reasons for which it does not."""

import numpy as np
import pytest

from stagecut import backends
from stagecut.backends.pim.work import Elementwise, LaidOut, Product, Work, work_of
from stagecut.compiler.ir.device import Tensor
from tests.support.nodes import sample

ZEROS = np.zeros((16, 8), np.float32)
ROW = np.zeros(8, np.float32)

WORK: dict[str, tuple[str, dict[str, Tensor], tuple[Work, ...]]] = {
    "leading dimensions are rows": (
        "(float[2, 3, 16] x) => (float[2, 3, 8] y) { y = MatMul(x, w) }",
        {"w": ZEROS},
        (Product(rows=6, inner=16, outer=8),),
    ),
    "a vector is one row": (
        "(float[16] x) => (float[8] y) { y = MatMul(x, w) }",
        {"w": ZEROS},
        (Product(rows=1, inner=16, outer=8),),
    ),
    "a weight vector is one column": (
        "(float[4, 8] x) => (float[4] y) { y = MatMul(x, w) }",
        {"w": ROW},
        (Product(rows=4, inner=8, outer=1),),
    ),
    "a stack of one weight matrix is a matrix": (
        "(float[2, 4, 16] x) => (float[2, 4, 8] y) { y = MatMul(x, w) }",
        {"w": ZEROS[None]},
        (Product(rows=8, inner=16, outer=8),),
    ),
    "a bias is an addition of its own": (
        "(float[5, 8] x) => (float[5, 16] y) { y = Gemm <transB = 1> (x, w, b) }",
        {"w": ZEROS, "b": np.zeros(16, np.float32)},
        (
            Product(rows=5, inner=8, outer=16, transposed=True),
            Elementwise("add", (5, 16), (LaidOut((16,), constant=True),)),
        ),
    ),
    "a small weight is laid out in full": (
        "(float[4, 8] x) => (float[4, 8] y) { y = Mul(w, x) }",
        {"w": ROW},
        (Elementwise("mul", (4, 8), (LaidOut((8,), constant=True),)),),
    ),
    "an activation that is repeated": (
        "(float[4, 8] x, float[4, 1] r) => (float[4, 8] y) { y = Add(x, r) }",
        {},
        (Elementwise("add", (4, 8), (LaidOut((4, 1), constant=False),)),),
    ),
    "both operands are repeated": (
        "(float[4, 1] x, float[8] r) => (float[4, 8] y) { y = Sub(x, r) }",
        {},
        (
            Elementwise(
                "sub",
                (4, 8),
                (LaidOut((4, 1), constant=False), LaidOut((8,), constant=False)),
            ),
        ),
    ),
    "a weight is negated and added": (
        "(float[4, 8] x) => (float[4, 8] y) { y = Sub(x, w) }",
        {"w": ROW},
        (Elementwise("add", (4, 8), (LaidOut((8,), constant=True),)),),
    ),
    "scalars of a batch normalization": (
        "(float[4, 8, 3] x) => (float[4, 8, 3] y) { y = BatchNormalization(x, w, w, w, w) }",
        {"w": ROW},
        (Elementwise("batchnorm", (4, 8, 3)),),
    ),
    "one operand": (
        "(float[4, 8] x) => (float[4, 8] y) { y = Relu(x) }",
        {},
        (Elementwise("relu", (4, 8)),),
    ),
    "a view is no work": (
        "(float[4, 8] x) => (float[32] y) { y = Reshape(x, s) }",
        {"s": np.array([-1])},
        (),
    ),
}

REFUSALS: dict[str, tuple[str, dict[str, Tensor], str]] = {
    "both factors are activations": (
        "(float[4, 8] x, float[8, 4] w) => (float[4, 4] y) { y = MatMul(x, w) }",
        {},
        "MatMul: no weight operand: both factors are activations",
    ),
    "the weight is on the left": (
        "(float[16, 4] x) => (float[8, 4] y) { y = MatMul(w, x) }",
        {"w": ZEROS.T},
        "MatMul: no weight operand: the weight is the left factor; only the right one is laid out",
    ),
    "a stack of weights": (
        "(float[2, 4, 16] x) => (float[2, 4, 8] y) { y = MatMul(x, w) }",
        {"w": np.stack([ZEROS, ZEROS])},
        "MatMul: the weight is a stack of 2 matrices",
    ),
    "a transposed activation": (
        "(float[16, 5] x) => (float[5, 8] y) { y = Gemm <transA = 1> (x, w) }",
        {"w": ZEROS},
        "Gemm: the activation is transposed, which moves every number of it",
    ),
    "a scaled activation": (
        "(float[5, 16] x, float[5, 8] c) => (float[5, 8] y) { y = Gemm <beta = 2.0> (x, w, c) }",
        {"w": ZEROS},
        "Gemm: beta scales an activation; it can only be folded into a weight",
    ),
    "an activation that this device has no kernel for": (
        "(float[4, 8] x) => (float[4, 8] y) { y = Sigmoid(x) }",
        {},
        "Sigmoid: there is no in-memory kernel for it",
    ),
    "batch normalization while training": (
        "(float[4, 8] x) => (float[4, 8] y, float[8] m, float[8] v) "
        "{ y, m, v = BatchNormalization <training_mode = 1> (x, w, w, w, w) }",
        {"w": ROW},
        "BatchNormalization: in training mode it depends on the whole batch",
    ),
    "batch normalization by activations": (
        "(float[4, 8] x, float[8] m) => (float[4, 8] y) { y = BatchNormalization(x, w, w, m, w) }",
        {"w": ROW},
        "BatchNormalization: its scale, bias, mean and variance have to be weights",
    ),
    "two weights": (
        "(float[4] x) => (float[8] y) { y = Add(a, b) }",
        {"a": ROW, "b": ROW},
        "Add: both operands are weights",
    ),
    "another operator": (
        "(float[4, 8] x) => (float[8, 4] y) { y = Transpose(x) }",
        {},
        "Transpose: there is no in-memory kernel for it",
    ),
    "whole numbers": (
        "(int64[4] x) => (int64[4] y) { y = Add(x, w) }",
        {"w": np.array([1])},
        "Add: x is int64; only float32 is held in 16 bits",
    ),
    "an empty result": (
        "(float[0, 16] x) => (float[0, 8] y) { y = MatMul(x, w) }",
        {"w": ZEROS},
        "MatMul: x is empty",
    ),
    "a shape that is computed": (
        "(float[4, 8] x, int64[1] s) => (float[32] y) { y = Reshape(x, s) }",
        {},
        "Reshape: its shape, s, is computed while the model runs",
    ),
    "one operator of a cluster": (
        "(float[4, 8] x) => (float[4, 8] y) { a = Relu(x) y = Softmax(a) }",
        {},
        "Softmax: there is no in-memory kernel for it",
    ),
}


@pytest.mark.parametrize(("text", "weights", "work"), WORK.values(), ids=WORK.keys())
def test_work(text: str, weights: dict[str, Tensor], work: tuple[Work, ...]) -> None:
    node = sample(text, **weights).node
    assert backends.create("pim.hbm").supports(node)
    assert work_of(node.operators[0]) == work


@pytest.mark.parametrize(("text", "weights", "reason"), REFUSALS.values(), ids=REFUSALS.keys())
def test_refusals_teach(text: str, weights: dict[str, Tensor], reason: str) -> None:
    support = backends.create("pim.hbm").supports(sample(text, **weights).node)
    assert not support
    assert support.reason == reason
