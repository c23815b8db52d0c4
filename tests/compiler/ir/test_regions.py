"""Regions: what is recognised, in which forms, and what is not."""

import re
from dataclasses import replace

import numpy as np
import pytest

from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.graph import Operator
from stagecut.compiler.ir.regions import Attention, Gelu, kernels, regions
from tests.support.nodes import Sample, sample

HEAD = "(float[2, 5, 4] q, float[2, 4, 7] k, float[2, 7, 3] v, float[5, 7] m) => (float[2, 5, 3] y)"
ATTENTIONS = {
    "plain": ("s = MatMul(q, k) p = Softmax <axis = -1> (s)", {}),
    "scaled": ("s = MatMul(q, k) t = Mul(s, c) p = Softmax <axis = 2> (t)", {"factor": "c"}),
    "scaled from the left": ("s = MatMul(q, k) t = Mul(c, s) p = Softmax(t)", {"factor": "c"}),
    "divided": ("s = MatMul(q, k) t = Div(s, c) p = Softmax(t)", {"factor": "c", "divides": True}),
    "masked": ("s = MatMul(q, k) t = Add(s, m) p = Softmax(t)", {"mask": "m"}),
    "masked from the left": ("s = MatMul(q, k) t = Add(m, s) p = Softmax(t)", {"mask": "m"}),
    "scaled and masked": (
        "s = MatMul(q, k) r = Mul(s, c) t = Add(r, m) p = Softmax(t)",
        {"factor": "c", "mask": "m"},
    ),
}
NOT_ATTENTION = {
    "a softmax over rows": "s = MatMul(q, k) p = Softmax <axis = 1> (s)",
    "divided by its scores": "s = MatMul(q, k) t = Div(c, s) p = Softmax(t)",
    "scaled by a matrix": "s = MatMul(q, k) t = Mul(s, m) p = Softmax(t)",
    "something between": "s = MatMul(q, k) t = Relu(s) p = Softmax(t)",
    "scores that are their own mask": "s = MatMul(q, k) t = Add(s, s) p = Softmax(t)",
}

GELUS = {
    "tanh, x halved": (
        "h = Mul(x, half) p = Pow(x, three) c = Mul(p, d) a = Add(x, c) s = Mul(a, f) t = Tanh(s)"
        " u = Add(t, one) y = Mul(h, u)"
    ),
    "tanh, turned around": (
        "h = Mul(half, x) p = Pow(x, three) c = Mul(d, p) a = Add(c, x) s = Mul(f, a) t = Tanh(s)"
        " u = Add(one, t) y = Mul(u, h)"
    ),
    "erf, result halved": (
        "s = Div(x, root) t = Erf(s) u = Add(t, one) r = Mul(x, u) y = Mul(r, half)"
    ),
    "erf, x halved": "s = Mul(x, g) t = Erf(s) u = Add(t, one) h = Mul(x, half) y = Mul(h, u)",
}
NUMBERS: dict[str, Tensor] = {
    name: np.array(number, np.float32)
    for name, number in {
        "half": 0.5,
        "three": 3,
        "d": 0.044715,
        "f": 0.797885,
        "one": 1,
        "root": 1.414214,
        "g": 0.707107,
    }.items()
}


@pytest.mark.parametrize(("text", "found"), ATTENTIONS.values(), ids=ATTENTIONS.keys())
def test_attention(text: str, found: dict[str, object]) -> None:
    case = attention(text)
    (region,) = regions(case.node.operators, ["y"])
    assert isinstance(region, Attention)
    assert [region.query.name, region.key.name, region.value.name] == ["q", "k", "v"]
    assert region.operators == case.node.operators
    seen = {
        "factor": region.factor and region.factor.name,
        "mask": region.mask and region.mask.name,
        "divides": region.divides,
    }
    assert seen == {"factor": None, "mask": None, "divides": False, **found}


@pytest.mark.parametrize("text", NOT_ATTENTION.values(), ids=NOT_ATTENTION.keys())
def test_not_attention(text: str) -> None:
    assert list(regions(attention(text).node.operators, ["y"])) == []


@pytest.mark.parametrize("kept", ["s", "p"])
def test_what_is_read_elsewhere_is_no_region(kept: str) -> None:
    case = attention(ATTENTIONS["plain"][0])
    assert list(regions(case.node.operators, ["y", kept])) == []


def test_a_product_with_a_weight_is_no_attention() -> None:
    text = "(float[2, 4] x) => (float[2, 3] y) { s = MatMul(x, w) p = Softmax(s) y = MatMul(p, v) }"
    case = sample(text, w=np.ones((4, 5), np.float32), v=np.ones((5, 3), np.float32))
    assert list(regions(case.node.operators, ["y"])) == []


def test_operators_without_all_operands_are_no_region() -> None:
    """Models as they come are verified first; graphs of other makers need not be."""
    operators = attention(ATTENTIONS["plain"][0]).node.operators
    for broken in range(3):
        cut = list(operators)
        cut[broken] = replace(cut[broken], inputs=cut[broken].inputs[:-1])
        assert list(regions(cut, ["y"])) == []


def test_onnx_attention() -> None:
    value = sample("(float[1, 2, 5, 4] q) => (float[1, 2, 5, 4] y) { y = Relu(q) }")
    q = value.node.operators[0].reads[0]
    operator = Operator("a", "Attention", "", (q, q, q), (q,), attributes={"is_causal": 1})
    (region,) = regions([operator], [])
    assert isinstance(region, Attention)
    assert region.causal
    assert region.scale == 0.5
    assert region.key_is_turned


@pytest.mark.parametrize("text", GELUS.values(), ids=GELUS.keys())
def test_gelu(text: str) -> None:
    case = gelu(text)
    (region,) = regions(case.node.operators, ["y"])
    assert isinstance(region, Gelu)
    assert (region.operand.name, region.result.name) == ("x", "y")
    assert region.operators == case.node.operators
    assert region.by_tanh == ("Tanh" in text)


@pytest.mark.parametrize(
    "text",
    [
        "t = Tanh(x) u = Add(t, one) y = Mul(x, u)",
        "s = Mul(x, f) t = Erf(s) u = Add(t, one) y = Mul(u, u)",
        "s = Mul(x, f) t = Erf(s) u = Add(t, one) r = Mul(x, u) y = Relu(r)",
    ],
)
def test_not_gelu(text: str) -> None:
    assert list(regions(gelu(text).node.operators, ["y"])) == []


def test_kernels_stand_in_place_of_a_regions_last_operator() -> None:
    case = attention("n = Relu(m) s = MatMul(q, k) r = Relu(n) t = Add(s, r) p = Softmax(t)")
    found = kernels(case.node.operators, ["y"])
    assert [type(each).__name__ for each in found] == ["Operator", "Operator", "Attention"]


def attention(text: str) -> Sample:
    return sample(f"{HEAD} {{ {text} y = MatMul(p, v) }}", **_used(text, {"c": NUMBERS["half"]}))


def gelu(text: str) -> Sample:
    return sample(f"(float[2, 3] x) => (float[2, 3] y) {{ {text} }}", **_used(text, NUMBERS))


def _used(text: str, numbers: dict[str, Tensor]) -> dict[str, Tensor]:
    """Those that the text reads and does not write."""
    read = {name for call in re.findall(r"\((.*?)\)", text) for name in call.split(", ")}
    written = set(re.findall(r"(\w+) =", text))
    return {name: number for name, number in numbers.items() if name in read - written}
