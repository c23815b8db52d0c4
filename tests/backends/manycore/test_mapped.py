"""Nodes as work, or the reason why there is none."""

import numpy as np
import pytest

from stagecut.backends.manycore.kernels.attention import Head
from stagecut.backends.manycore.mapped import weights_of, works_of
from stagecut.backends.manycore.product import Product
from stagecut.backends.manycore.work import (
    Attend,
    Chain,
    Move,
    Projected,
    Rows,
    UnsupportedError,
)
from tests.support.nodes import Sample, sample


def _weights(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


ATTENTION = sample(
    "(float[2, 12, 197, 64] q, float[2, 12, 64, 197] k, float[2, 12, 197, 64] v) "
    "=> (float[2, 12, 197, 64] y) "
    "{ s = MatMul(q, k) t = Mul(s, c) p = Softmax(t) y = MatMul(p, v) }",
    c=np.array(0.125, np.float32),
)
PROJECTED = sample(
    "(float[1, 3, 5, 4] q, float[1, 3, 4, 5] k, float[1, 3, 5, 4] v) => (float[1, 5, 9] y) "
    "{ s = MatMul(q, k) p = Softmax(s) o = MatMul(p, v) t = Transpose <perm = [0, 2, 1, 3]> (o) "
    "f = Reshape(t, flat) z = MatMul(f, w) y = Add(z, c) }",
    w=_weights(12, 9),
    c=_weights(9),
    flat=np.array([1, 5, 12]),
)
LINEAR = sample(
    "(float[1, 197, 768] x, float[1, 197, 3072] r) => (float[1, 197, 3072] y) "
    "{ h = MatMul(x, w) b = Add(h, c) g = Gelu(b) y = Add(g, r) }",
    w=_weights(768, 3072),
    c=_weights(3072),
)

FOUND = {
    "attention is one kernel": (ATTENTION, (Attend(Head(197, 197, 64), 24),)),
    "what follows a product is done on its tiles": (
        LINEAR,
        (Product(197, 3072, 768, follow=("scale", "gelu", "add")),),
    ),
    "a projection is one with the attention whose heads it joins": (
        PROJECTED,
        (
            Projected(
                Attend(Head(5, 5, 4), 3),
                Product(5, 9, 12, follow=("scale",)),
                (Move(15, 4),),
                "MatMul_5",
            ),
        ),
    ),
    "a norm and the product that reads it are a chain": (
        sample(
            "(float[5, 8] x, float[5, 6] r) => (float[5, 6] y) { n = LayerNormalization(x, s) "
            "h = MatMul(n, w) b = Add(h, c) d = Add(b, r) y = LayerNormalization(d, t) }",
            s=_weights(8),
            w=_weights(8, 6),
            c=_weights(6),
            t=_weights(6),
        ),
        (
            Chain(
                (
                    Rows("layernorm", 5, 8),
                    Product(5, 6, 8, follow=("scale", "add")),
                    Rows("layernorm", 5, 6),
                )
            ),
        ),
    ),
    "what two kernels read is stored, and stays for the next": (
        sample(
            "(float[5, 8] x) => (float[5, 8] y) "
            "{ n = LayerNormalization(x, s) h = MatMul(n, w) y = Add(h, n) }",
            s=_weights(8),
            w=_weights(8, 8),
        ),
        (Chain((Rows("layernorm", 5, 8), Product(5, 8, 8, follow=("add",))), stored=(0,)),),
    ),
    "a norm stays for all products of it": (
        sample(
            "(float[5, 8] x) => (float[5, 6] q, float[5, 6] k, float[5, 4] v) "
            "{ n = LayerNormalization(x, s) a = MatMul(n, w) q = Add(a, b) "
            "k = MatMul(n, w) v = MatMul(n, t) }",
            s=_weights(8),
            w=_weights(8, 6),
            b=_weights(6),
            t=_weights(8, 4),
        ),
        (
            Chain(
                (
                    Rows("layernorm", 5, 8),
                    Product(5, 6, 8, follow=("scale",)),
                    Product(5, 6, 8),
                    Product(5, 4, 8),
                ),
                stored=(1, 2),
                sources=(-1, 0, 0, 0),
            ),
        ),
    ),
    "a mask that a product reads, too, is stored": (
        sample(
            "(float[5, 5] x, float[5, 4] q, float[4, 5] k, float[5, 4] v) "
            "=> (float[5, 6] y, float[5, 4] z) { n = LayerNormalization(x, s) y = MatMul(n, w) "
            "c = MatMul(q, k) m = Add(c, n) p = Softmax(m) z = MatMul(p, v) }",
            s=_weights(5),
            w=_weights(5, 6),
        ),
        (
            Chain((Rows("layernorm", 5, 5), Product(5, 6, 5)), stored=(0,)),
            Attend(Head(5, 5, 4), 1),
        ),
    ),
    "a product of a norm as its right factor is none": (
        sample(
            "(float[8, 8] a, float[8, 8] x) => (float[8, 8] y) "
            "{ n = LayerNormalization(x, s) y = MatMul(a, n) }",
            s=_weights(8),
        ),
        (Rows("layernorm", 8, 8), Product(8, 8, 8)),
    ),
    "nor is one of which other clusters compute the right factor": (
        sample(
            "(float[8, 8] x) => (float[8, 8] y, float[8, 8] z) "
            "{ n = LayerNormalization(x, s) a = MatMul(n, w) r = Reshape(n, t) "
            "y = MatMul(a, r) z = MatMul(y, y) }",
            s=_weights(8),
            w=_weights(8, 8),
            t=np.array([8, 8]),
        ),
        (
            Chain((Rows("layernorm", 8, 8), Product(8, 8, 8)), stored=(0,)),
            Product(8, 8, 8),
            Product(8, 8, 8),
        ),
    ),
    "heads are several products": (
        sample(
            "(float[2, 3, 5, 7] a, float[2, 3, 7, 9] b) => (float[2, 3, 5, 9] y) "
            "{ y = MatMul(a, b) }"
        ),
        (Product(5, 9, 7, count=6),),
    ),
    "a view costs nothing": (
        sample("(float[4, 6] x) => (float[24] y) { y = Reshape(x, s) }", s=np.array([24])),
        (),
    ),
    "a norm works on rows": (
        sample(
            "(float[2, 5, 8] x) => (float[2, 5, 8] y) { y = LayerNormalization(x, s) }",
            s=_weights(8),
        ),
        (Rows("layernorm", 10, 8),),
    ),
    "a transposition moves runs": (
        sample(
            "(float[2, 5, 3, 8] x) => (float[2, 3, 5, 8] y) "
            "{ y = Transpose <perm = [0, 2, 1, 3]> (x) }"
        ),
        (Move(30, 8),),
    ),
    "or number by number": (
        sample("(float[5, 3] x) => (float[3, 5] y) { y = Transpose(x) }"),
        (Move(15, 1),),
    ),
}
REFUSED = {
    "there is no kernel": (
        sample("(float[3] x) => (float[3] y) { y = Tanh(x) }"),
        "Tanh: the library has no kernel for it",
    ),
    "other numbers": (
        sample("(int64[3] x, int64[3] z) => (int64[3] y) { y = Add(x, z) }"),
        "only float32 is converted",
    ),
    "another axis": (
        sample("(float[3, 4] x) => (float[3, 4] y) { y = Softmax <axis = 0> (x) }"),
        "Softmax: the kernel works along rows",
    ),
    "transposed activations": (
        sample(
            "(float[4, 3] x) => (float[3, 2] y) { y = Gemm <transA = 1> (x, w) }",
            w=_weights(4, 2),
        ),
        "Gemm: the activation is transposed",
    ),
}


@pytest.mark.parametrize(("case", "expected"), FOUND.values(), ids=FOUND.keys())
def test_work(case: Sample, expected: tuple[object, ...]) -> None:
    assert works_of(case.node, fused=True) == expected


@pytest.mark.parametrize(("case", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_runs_on_the_host_has_its_reason(case: Sample, reason: str) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        works_of(case.node, fused=True)


def test_the_baseline_fuses_nothing() -> None:
    assert works_of(LINEAR.node, fused=False) == (
        Product(197, 3072, 768),
        Rows("scale", 197, 3072),
        Rows("gelu", 197, 3072),
        Rows("add", 197, 3072),
    )


def test_a_result_that_others_read_is_stored_before_anything_follows() -> None:
    case = sample(
        "(float[4, 6] x) => (float[4, 8] h, float[4, 8] y) { h = MatMul(x, w) y = Gelu(h) }",
        w=_weights(6, 8),
    )
    links = (Product(4, 8, 6), Rows("gelu", 4, 8))
    assert works_of(case.node, fused=True) == (Chain(links, stored=(0,)),)


def test_weights_are_the_floats() -> None:
    assert weights_of(LINEAR.node) == 768 * 3072 + 3072
