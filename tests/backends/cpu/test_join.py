"""Products in few bits that read the same are one, and compute what they did."""

from collections import Counter

import numpy as np
import pytest

from stagecut import backends
from stagecut.backends.cpu import join
from stagecut.backends.quantised.quantise import quantised
from stagecut.backends.quantised.scheme import Scheme
from tests.support.nodes import Sample, sample

_rng = np.random.default_rng(0)
A, B, C = (_rng.standard_normal((64, columns)).astype(np.float32) for columns in (96, 32, 40))
WEIGHTS = {"a": A, "b": B, "c": C.T.copy()}
THREE = sample(
    "(float[3, 64] x) => (float[3, 96] y, float[3, 32] u, float[3, 40] v) "
    "{ y = MatMul(x, a) u = MatMul(x, b) v = Gemm <transB = 1> (x, c) }",
    **WEIGHTS,
)
#: What they read differs, and one adds a bias behind its product.
OTHERS = sample(
    "(float[3, 64] x, float[3, 64] z) => (float[3, 96] y, float[3, 32] u, float[3, 40] v) "
    "{ y = MatMul(x, a) u = MatMul(z, b) v = Gemm <transB = 1> (x, c, d) }",
    **WEIGHTS,
    d=C[0],
)
BIASES = sample(
    "(float[3, 64] x) => (float[3, 96] y, float[3, 32] u, float[3, 40] v) "
    "{ p = MatMul(x, a) y = Add(p, e) q = MatMul(x, b) u = Add(f, q) "
    "v = Gemm <transB = 1> (x, c, d) }",
    **WEIGHTS,
    d=C[0],
    e=A[0],
    f=B[0],
)
#: The product before the bias is read, too; what is added is no bias.
READ_TWICE = sample(
    "(float[3, 64] x) => (float[3, 96] y, float[3, 96] p, float[3, 32] u) "
    "{ p = MatMul(x, a) y = Add(p, e) q = MatMul(x, b) u = Add(q, g) }",
    a=A,
    b=B,
    e=A[0],
    g=B[:3],
)
CASES = [THREE, OTHERS, BIASES, READ_TWICE]


def _operators(case: Sample) -> Counter[str]:
    stage, _ = quantised(case.stage, Scheme(4, 32))
    join.join_products(stage.model.graph)
    return Counter(node.op_type for node in stage.model.graph)


def test_which_are_one() -> None:
    assert _operators(THREE) == {"MatMulNBits": 1, "Split": 1}
    assert _operators(OTHERS) == {"MatMulNBits": 3, "Add": 1}
    assert _operators(BIASES) == {"MatMulNBits": 1, "Add": 1, "Split": 1}
    assert _operators(READ_TWICE) == {"MatMulNBits": 1, "Split": 1, "Add": 2}


def test_as_many_as_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(join, "_MOST_BYTES", 1000)
    assert _operators(THREE) == {"MatMulNBits": 3}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "spec", ["cpu.int4.serial", "cpu.int8.parallel", "cpu.int4.serial:block=64"]
)
def test_each_column_is_what_it_was(
    spec: str, case: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    feeds = case.feeds()
    found = backends.create(spec).prepare(case.stage)(feeds)
    monkeypatch.setattr(join, "join_products", lambda graph: None)
    apart = backends.create(spec).prepare(case.stage)(feeds)
    for one, other in zip(found, apart, strict=True):
        np.testing.assert_array_equal(one, other)
