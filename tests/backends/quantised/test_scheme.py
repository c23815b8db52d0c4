import numpy as np
import pytest

from stagecut import backends
from stagecut.backends.quantised.scheme import PRECISIONS, Scheme
from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.errors import DeviceError
from tests.support.nodes import Sample, sample

BLOCKS = Scheme.of("int8", "cpu.int8.serial", {})


def _ones(*shape: int) -> Tensor:
    return np.ones(shape, np.float32)


QUANTISED = {
    "a product with a weight": sample(
        "(float[2, 3, 4] x) => (float[2, 3, 5] y) { y = MatMul(x, w) }", w=_ones(4, 5)
    ),
    "one with a bias and a turned weight": sample(
        "(float[3, 4] x) => (float[3, 5] y) { y = Gemm <transB = 1> (x, w, b) }",
        w=_ones(5, 4),
        b=_ones(5),
    ),
    "one among others": sample(
        "(float[3, 4] x) => (float[3, 5] y) { h = MatMul(x, w) y = Relu(h) }", w=_ones(4, 5)
    ),
}
AS_IT_IS = {
    "no weight": sample("(float[3, 4] x, float[4, 5] w) => (float[3, 5] y) { y = MatMul(x, w) }"),
    "the weight comes first": sample(
        "(float[4, 5] x) => (float[3, 5] y) { y = MatMul(w, x) }", w=_ones(3, 4)
    ),
    "a weight of three dimensions": sample(
        "(float[3, 4] x) => (float[2, 3, 5] y) { y = MatMul(x, w) }", w=_ones(2, 4, 5)
    ),
    "factors": sample(
        "(float[3, 4] x) => (float[3, 5] y) { y = Gemm <alpha = 0.5> (x, w, b) }",
        w=_ones(4, 5),
        b=_ones(5),
    ),
    "a turned operand": sample(
        "(float[4, 3] x) => (float[3, 5] y) { y = Gemm <transA = 1> (x, w) }", w=_ones(4, 5)
    ),
    "no product": sample("(float[3, 4] x) => (float[3, 4] y) { y = Mul(x, w) }", w=_ones(3, 4)),
}


@pytest.mark.parametrize("case", QUANTISED.values(), ids=QUANTISED.keys())
def test_products_with_weights_are_quantised(case: Sample) -> None:
    assert any(map(BLOCKS.quantises, case.node.operators))


@pytest.mark.parametrize("case", AS_IT_IS.values(), ids=AS_IT_IS.keys())
def test_all_else_stays_as_it_is(case: Sample) -> None:
    assert not any(map(BLOCKS.quantises, case.node.operators))


def test_devices_that_compute_otherwise_have_another_precision() -> None:
    given: tuple[dict[str, str], ...] = (
        {},
        {"block": "64"},
        {"activations": "f32"},
        {"block": "64", "activations": "f32"},
    )
    named = [Scheme.of(name, name, each).named(name) for name in ("int8", "int4") for each in given]
    dynamic = Scheme.of("int8-dynamic", "d", {}).named("int8-dynamic")
    assert len({*named, dynamic}) == len(named) + 1
    assert named[3] == "int8, blocks of 64, f32 activations"


def test_weights_of_7_bits_are_another_precision() -> None:
    usual, narrow = (Scheme.of("int8-static", "d", {"weights": bits}) for bits in "87")
    assert usual.named("int8-static") == "int8-static"
    assert narrow.named("int8-static") == "int8-static, weights of 7 bits"
    assert Scheme.of("int8-static", "d", {}, narrow=True) == narrow


def test_a_convolution_is_a_product_where_ranges_are_known() -> None:
    case = sample("(float[1, 2, 8] x) => (float[1, 5, 6] y) { y = Conv(x, w) }", w=_ones(5, 2, 3))
    [operator] = case.node.operators
    assert Scheme.of("int8-static", "d", {}).quantises(operator)
    assert not Scheme.of("int8-dynamic", "d", {}).quantises(operator)
    assert not BLOCKS.quantises(operator)


def test_whole_blocks_are_those_of_the_rows_that_the_product_reads() -> None:
    plain, turned = (
        sample("(float[3, 64] x) => (float[3, 40] y) { y = MatMul(x, w) }", w=_ones(64, 40)),
        sample(
            "(float[3, 40] x) => (float[3, 64] y) { y = Gemm <transB = 1> (x, w) }",
            w=_ones(64, 40),
        ),
    )
    [of_plain], [of_turned] = plain.node.operators, turned.node.operators
    whole, any_rows = Scheme(4, 32, whole_blocks=True), Scheme(4, 32)
    assert whole.quantises(of_plain)
    assert not whole.quantises(of_turned)
    assert any_rows.quantises(of_turned)
    assert Scheme(8, None, whole_blocks=True).quantises(of_turned)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_threads_make_no_difference_to_the_precision(precision: str) -> None:
    serial, parallel = (
        backends.create(f"cpu.{precision}.{threads}") for threads in ("serial", "parallel")
    )
    assert serial.device.precision == parallel.device.precision
    assert serial.device.precision.partition(",")[0] == precision
    assert not serial.device.keeps_precision


@pytest.mark.parametrize(
    "spec",
    [
        "cpu.int8.serial:block=48",
        "cpu.int4.serial:activations=int4",
        "cpu.int8-dynamic.serial:block=32",
        "cpu.int8-static.serial:block=32",
        "cpu.int8-static.serial:weights=6",
        "cpu.serial:block=32",
    ],
)
def test_options_that_make_no_sense_are_refused(spec: str) -> None:
    with pytest.raises(DeviceError, match=r"block|activations|weights"):
        backends.create(spec)


def test_devices_of_lower_precision_are_not_taken_unasked() -> None:
    assert not [name for name in backends.real_devices() if ".int" in name]
    asked = backends.real_devices(lower_precision="auto")
    assert {f"cpu.{each}.serial" for each in PRECISIONS} <= {*asked}
