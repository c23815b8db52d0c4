"""Each kernel against ONNX's own evaluator, and what has no kernel."""

import numpy as np
import pytest

from stagecut.backends.manycore.numerics.executable import build
from stagecut.backends.manycore.numerics.formats import FORMATS
from stagecut.backends.manycore.numerics.functions import GELU_ERROR
from stagecut.backends.manycore.numerics.kernels import COMPUTED
from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.errors import EngineError
from tests.compiler.ir.test_regions import ATTENTIONS, GELUS, attention, gelu
from tests.support.nodes import sample

W = np.random.default_rng(9).standard_normal((6, 6)).astype(np.float32)
B = W[0]
CASES: dict[str, tuple[str, dict[str, Tensor]]] = {
    "MatMul": ("(float[2, 3, 6] x) => (float[2, 3, 6] y) { y = MatMul(x, w) }", {"w": W}),
    "MatMul of two": (
        "(float[2, 3, 6] x, float[1, 6, 4] z) => (float[2, 3, 4] y) { y = MatMul(x, z) }",
        {},
    ),
    "MatMul of a weight on the left": (
        "(float[6, 2] x) => (float[6, 2] y) { y = MatMul(w, x) }",
        {"w": W},
    ),
    "MatMul with a vector": ("(float[2, 6] x) => (float[2] y) { y = MatMul(x, w) }", {"w": B}),
    "Gemm": (
        "(float[3, 6] x) => (float[3, 6] y)"
        " { y = Gemm <alpha = 0.5, beta = 2.0, transB = 1> (x, w, b) }",
        {"w": W, "b": B},
    ),
    "Gemm without bias": ("(float[3, 6] x) => (float[3, 6] y) { y = Gemm(x, w) }", {"w": W}),
    "Add": ("(float[3, 6] x, float[3, 6] z) => (float[3, 6] y) { y = Add(x, z) }", {}),
    "Sub": ("(float[3, 6] x) => (float[3, 6] y) { y = Sub(b, x) }", {"b": B}),
    "Mul": ("(float[3, 6] x) => (float[3, 6] y) { y = Mul(x, x) }", {}),
    "LayerNormalization": (
        "(float[3, 6] x) => (float[3, 6] y) { y = LayerNormalization <epsilon = 0.01> (x, b, c) }",
        {"b": B, "c": W[1]},
    ),
    "LayerNormalization over two": (
        "(float[2, 6, 6] x) => (float[2, 6, 6] y) { y = LayerNormalization <axis = 1> (x, w) }",
        {"w": W},
    ),
    "Softmax": ("(float[3, 6] x) => (float[3, 6] y) { y = Softmax <axis = 0> (x) }", {}),
    "Transpose": (
        "(float[2, 3, 6] x) => (float[6, 2, 3] y) { y = Transpose <perm = [2, 0, 1]> (x) }",
        {},
    ),
    "Split": (
        "(float[2, 6] x) => (float[2, 2] y, float[2, 4] z) { y, z = Split <axis = 1> (x, n) }",
        {"n": np.array([2, 4])},
    ),
    "Concat": (
        "(float[2, 6] x) => (float[2, 12] y) { y = Concat <axis = 1> (x, x) }",
        {},
    ),
    "Slice": (
        "(float[2, 6] x) => (float[2, 2] y) { y = Slice(x, a, z, axes, step) }",
        {name: np.array([n]) for name, n in {"a": 1, "z": 5, "axes": 1, "step": 2}.items()},
    ),
    "Reshape": (
        "(float[2, 6] x) => (float[3, 4] y) { y = Reshape(x, n) }",
        {"n": np.array([3, 4])},
    ),
}


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("name", ["fp64", "fp32"])
@pytest.mark.parametrize(("text", "weights"), CASES.values(), ids=CASES.keys())
def test_a_kernel_computes_what_onnx_says(
    text: str, weights: dict[str, Tensor], name: str, exact: bool
) -> None:
    case = sample(text, **weights)
    executable = build(case.stage, FORMATS[name], exact=exact, tile=3)
    feeds = case.feeds(seed=1)
    for result, expected in zip(executable(feeds), case.reference(feeds), strict=True):
        assert result.dtype == FORMATS[name].stored
        assert result.shape == expected.shape
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("text", "_"), ATTENTIONS.values(), ids=ATTENTIONS.keys())
def test_attention_is_one_kernel(text: str, _: object) -> None:
    case = attention(text)
    executable = build(case.stage, FORMATS["fp32"], exact=False, tile=3)
    assert len(executable.steps) == 1
    feeds = case.feeds()
    np.testing.assert_allclose(executable(feeds)[0], case.reference(feeds)[0], atol=1e-5)


@pytest.mark.parametrize("text", GELUS.values(), ids=GELUS.keys())
def test_a_gelu_that_is_written_out_is_i_gelu(text: str) -> None:
    case = gelu(text)
    executable = build(case.stage, FORMATS["fp32"], exact=False, tile=3)
    assert len(executable.steps) == 1
    feeds = case.feeds()
    off = np.abs(executable(feeds)[0] - case.reference(feeds)[0]).max()
    assert 0 < off <= GELU_ERROR + 0.0005


def test_a_gelu_with_other_numbers_is_refused() -> None:
    text = GELUS["erf, result halved"].replace("root", "three")
    case = gelu(text)
    with pytest.raises(EngineError, match=r"whose numbers are not \[0.5, 1.0, 3.0\]"):
        build(case.stage, FORMATS["fp32"], exact=False, tile=3)


def test_gelu() -> None:
    case = sample("(float[2, 3] x) => (float[2, 3] y) { y = Gelu(x) }")
    executable = build(case.stage, FORMATS["fp16"], exact=False, tile=3)
    feeds = case.feeds()
    off = np.abs(executable(feeds)[0] - case.reference(feeds)[0]).max()
    assert off <= GELU_ERROR + 0.004  # stored in FP16


@pytest.mark.parametrize(
    "text",
    [
        "(float[2, 6] x) => (float[2, 6] y) { y = Relu(x) }",
        "(float[6, 2] x) => (float[2, 6] y) { y = Gemm <transA = 1> (x, w) }",
        "(float[2, 6] x) => (float[2, 6] y) { y = Slice(x, back, end, axes, back) }",
    ],
)
def test_what_has_no_kernel_is_refused(text: str) -> None:
    weights = {"w": W, "back": np.array([-1]), "end": np.array([-9]), "axes": np.array([1])}
    case = sample(text, **{name: array for name, array in weights.items() if name in text})
    with pytest.raises(EngineError, match=r"has no kernel|the device has"):
        build(case.stage, FORMATS["fp32"], exact=False, tile=3)


def test_every_operator_that_is_named_has_a_case() -> None:
    cases = {name.split()[0] for name in CASES} | {"Gelu"}
    assert cases | {"Squeeze", "Unsqueeze", "Flatten", "Identity"} == COMPUTED
