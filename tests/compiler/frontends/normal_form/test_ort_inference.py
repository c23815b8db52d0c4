"""What ONNX Runtime infers of values inside a model, and what it finds when the model runs."""

import ml_dtypes
import numpy as np
import onnx_ir as ir
import pytest

from stagecut.compiler.frontends.normal_form.ort_inference import infer, measure
from stagecut.compiler.frontends.normal_form.unique_names import give_names
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import ModelError, SampleError
from tests.support.onnx_models import TinyModel


def _model(body: str) -> ir.Model:
    model = TinyModel(f"g {body}").ir()
    give_names(model)
    for node in model.graph:
        for output in node.outputs:
            output.type = output.shape = None
    return model


def _values(model: ir.Model, *names: str) -> list[ir.Value]:
    written = {output.name: output for node in model.graph for output in node.outputs}
    return [written[name] for name in names]


INFERRED = {
    "an operator of ONNX Runtime's own": (
        "(float[2,4] x) => (float[2,2] v) { v = com.microsoft.FusedMatMul<transB = 1>(x, x) }",
        "Tensor(FLOAT)",
        [2, 2],
    ),
    "a size that depends on data": (
        "(float[2,4] x) => (int64[2,n] v) { v = NonZero(x) }",
        "Tensor(INT64)",
        [2, None],
    ),
    "a number type that numpy lacks": (
        "(float[2] x) => (bfloat16[2] v) { v = Cast<to = 16>(x) }",
        "Tensor(BFLOAT16)",
        [2],
    ),
    "doubles": ("(float[2] x) => (double[2] v) { v = Cast<to = 11>(x) }", "Tensor(DOUBLE)", [2]),
    "text": ("(string[2] x) => (string[2] v) { v = StringConcat(x, x) }", "Tensor(STRING)", [2]),
    "a sequence": (
        "(float[2] x) => (seq(float[2]) v) { v = SequenceConstruct(x, x) }",
        "Sequence(Tensor(FLOAT))",
        None,
    ),
    "an optional sequence": (
        "(float[2] x) => (optional(seq(float[2])) v) { s = SequenceConstruct(x)  v = Optional(s) }",
        "Optional(Sequence(Tensor(FLOAT)))",
        None,
    ),
    "a scalar, which looks like an unknown rank": (
        "(float[2] x) => (float v) { v = ReduceSum<keepdims = 0>(x) }",
        "Tensor(FLOAT)",
        None,
    ),
}


@pytest.mark.parametrize(("body", "kind", "shape"), INFERRED.values(), ids=INFERRED.keys())
def test_infers(body: str, kind: str, shape: list[int | None] | None) -> None:
    model = _model(body)
    (value,) = _values(model, "v")
    infer(model, [value])
    assert repr(value.type) == kind
    assert value.shape == (None if shape is None else ir.Shape(shape))


X = np.array([[1, 0, 2], [0, 3, 0]], np.float32)

MEASURED: dict[str, tuple[str, Feeds, tuple[int, ...]]] = {
    "how many numbers are not zero": (
        "(float[2,3] x) => (int64[2,n] v) { v = NonZero(x) }",
        {"x": X},
        (2, 3),
    ),
    "a scalar": ("(float[2,3] x) => (float v) { v = ReduceSum<keepdims = 0>(x) }", {"x": X}, ()),
    "text": (
        "(string[2] x) => (string[n] v) { v = Unique(x) }",
        {"x": np.array(["a", "a"], object)},
        (1,),
    ),
    "an input of a number type that numpy lacks": (
        "(bfloat16[2,3] x) => (int64[2,n] v) { f = Cast<to = 1>(x)  v = NonZero(f) }",
        {"x": X.astype(ml_dtypes.bfloat16)},
        (2, 3),
    ),
    "an input that the value does not depend on": (
        "(float[2,3] x, float[1] other) => (int64[2,n] v, float[1] w)"
        "{ v = NonZero(x)  w = Neg(other) }",
        {"x": X, "other": np.ones(1, np.float32)},
        (2, 3),
    ),
}


@pytest.mark.parametrize(("body", "feeds", "shape"), MEASURED.values(), ids=MEASURED.keys())
def test_measures(body: str, feeds: Feeds, shape: tuple[int, ...]) -> None:
    model = _model(body)
    (value,) = _values(model, "v")
    assert measure(model, [value], feeds) == {value: shape}


@pytest.mark.parametrize(
    ("dtype", "name"),
    [(np.float32, "float"), (np.float16, "float16"), (ml_dtypes.bfloat16, "bfloat16")],
)
def test_large_weights_reach_the_engine_unchanged(dtype: type[np.generic], name: str) -> None:
    """So large that it is handed over beside the model; 700 of its numbers are not zero."""
    model = _model(
        f"(int64[1] x) => (int64[1,n] v) <{name}[1] w = {{0}}>"
        "{ f = Cast<to = 1>(w)  v = NonZero(f) }"
    )
    weight = model.graph.initializers["w"]
    tensor = ir.tensor((np.arange(2000) < 700).astype(dtype), name="w")
    weight.const_value, weight.shape = tensor, ir.Shape([2000])
    (value,) = _values(model, "v")
    assert measure(model, [value], {"x": np.ones(1, np.int64)}) == {value: (1, 700)}
    assert weight.const_value is tensor


def test_weights_of_4_bits_reach_the_engine_unchanged() -> None:
    model = _model(
        "() => (int64[1,n] v) <int4[3] w = {1, 0, 2}> { f = Cast<to = 1>(w) v = NonZero(f) }"
    )
    weight = model.graph.initializers["w"]
    weight.const_value = ir.tensor((np.arange(4000) < 7).astype(ml_dtypes.int4), name="w")
    weight.shape = ir.Shape([4000])
    (value,) = _values(model, "v")
    assert measure(model, [value], {}) == {value: (1, 7)}


def test_what_the_engine_says_is_handed_on_without_its_source_lines() -> None:
    model = _model("(float[2] x, float[3] w) => (float[2] v) { v = Add(x, w) }")
    with pytest.raises(ModelError, match="graph g: ONNX Runtime refuses it: ") as refused:
        infer(model, _values(model, "v"))
    assert "Incompatible dimensions" in refused.value.problem
    assert "onnxruntime_src" not in refused.value.problem


def test_a_run_that_fails_is_told() -> None:
    model = _model("(float[2] x, int64[1] at) => (float[1] v) { v = Gather(x, at) }")
    with pytest.raises(SampleError, match=r"on the sample inputs: .*out of data bounds") as told:
        measure(model, _values(model, "v"), {"x": X[0, :2], "at": np.array([7])})
    assert "give inputs that it runs on" in told.value.fix
