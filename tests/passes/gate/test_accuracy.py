"""How far outputs are from the reference, and plans that are too far from it."""

import numpy as np
import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.ir.apart import BLOCK
from stagecut.compiler.ir.errors import ToleranceError
from stagecut.passes.gate.accuracy import farthest, output_differences, scale_of, worst

NAN, INF = float("nan"), float("inf")
CASES: dict[str, tuple[list[float], list[float], float, float]] = {
    "equal": ([1, -2], [1, -2], 0, 0),
    "off by a tenth of the largest": ([1, -2.2], [1, -2], 0.2, 0.1),
    "not a number where the reference is none, either": ([NAN, 1], [NAN, 1], 0, 0),
    "not a number where there should be one": ([NAN, 1], [1, 1], INF, INF),
    "infinite on both sides": ([INF, 1], [INF, 2], 1, 0.5),
    "a reference of zeros": ([0.5], [0], 0.5, 0.5),
}


@pytest.mark.parametrize(
    ("found", "expected", "most", "relative"), CASES.values(), ids=CASES.keys()
)
def test_differences_by_eye(
    found: list[float], expected: list[float], most: float, relative: float
) -> None:
    [difference] = output_differences({"y": np.array(found)}, {"y": np.array(expected)})
    assert difference.max_abs == pytest.approx(most)
    assert difference.relative == pytest.approx(relative)
    assert worst((difference,)) == difference.relative
    assert farthest({"y": np.array(found)}, {"y": np.array(expected)}) == difference.relative


def test_errors_are_a_part_of_what_is_larger() -> None:
    """The largest number that is expected, or that of the scale."""
    found, expected = {"y": np.array([1.0, -2.2])}, {"y": np.array([1.0, -2.0])}
    assert farthest(found, expected, {"y": 4.0}) == pytest.approx(0.05)
    for small in ({"y": 1.0}, {"z": 4.0}):
        assert farthest(found, expected, small) == pytest.approx(0.1)


def test_the_scale_is_of_the_largest_numbers() -> None:
    outputs = {
        "y": np.array([1.0, -3.0, INF, NAN], np.float32),
        "s": np.array(["a"], object),
        "e": np.empty(0),
    }
    assert scale_of(outputs) == {"y": 3.0}


def test_the_cosine_is_that_of_the_angle() -> None:
    [turned] = output_differences({"y": np.array([1.0, 0.0])}, {"y": np.array([1.0, 1.0])})
    assert turned.cosine == pytest.approx(2**-0.5)
    [flat] = output_differences({"y": np.array([0.0])}, {"y": np.array([0.0])})
    assert flat.cosine is None


def test_the_cosine_of_outputs_that_are_compared_in_parts() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 3, 2 * BLOCK // 3))
    a[0, :5] = NAN, INF, -INF, NAN, 1
    [found] = output_differences({"y": a}, {"y": b})
    there = np.isfinite(a)
    lengths = np.linalg.norm(a[there]) * np.linalg.norm(b[there])
    assert found.cosine == pytest.approx(a[there] @ b[there] / lengths, rel=1e-9)
    [huge] = output_differences({"y": np.full(2, 1e200)}, {"y": np.full(2, 1e200)})
    assert huge.cosine is None


def test_strings_and_empty_outputs_are_not_compared() -> None:
    reference = {"s": np.array(["a"], object), "e": np.empty(0)}
    assert output_differences(reference, reference) == ()
    assert farthest(reference, reference) == 0.0


DEVICES = ["cpu.serial", "pim.aim"]


def test_a_plan_says_how_close_it_is() -> None:
    plan = compile_model("zoo:tiny-mlp", devices=DEVICES, pins=["Gemm*=pim.aim"])
    [difference] = plan.first.planned.accuracy
    assert 0 < difference.relative < 0.05
    assert difference.cosine == pytest.approx(1, abs=1e-3)
    [exact] = compile_model("zoo:tiny-mlp", devices=["cpu.serial"]).first.planned.accuracy
    assert exact.relative < 1e-6


def test_a_plan_beyond_the_tolerance_is_not_shipped() -> None:
    """Twelve bits are too few for a millionth, so that the PIM gets nothing to do."""
    plan = compile_model("zoo:tiny-mlp", devices=DEVICES, tolerance=1e-6)
    planned = plan.first.planned
    assert set(planned.schedule.device_of.values()) == {"cpu.serial"}
    assert planned.provenance.options["tolerance"] == "1e-06"


def test_where_no_plan_is_close_enough() -> None:
    with pytest.raises(ToleranceError, match="least error") as error:
        compile_model("zoo:tiny-mlp", devices=DEVICES, pins=["Gemm*=pim.aim"], tolerance=1e-6)
    assert error.value.fix
