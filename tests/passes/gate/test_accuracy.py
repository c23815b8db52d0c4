"""How far outputs are from the reference, and plans that are too far from it."""

import numpy as np
import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.ir.errors import ToleranceError
from stagecut.passes.gate.accuracy import output_errors, worst

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
def test_errors_by_eye(
    found: list[float], expected: list[float], most: float, relative: float
) -> None:
    [error] = output_errors({"y": np.array(found)}, {"y": np.array(expected)})
    assert error.max_abs == pytest.approx(most)
    assert error.relative == pytest.approx(relative)
    assert worst((error,)) == error.relative


def test_the_cosine_is_that_of_the_angle() -> None:
    [error] = output_errors({"y": np.array([1.0, 0.0])}, {"y": np.array([1.0, 1.0])})
    assert error.cosine == pytest.approx(2**-0.5)
    [flat] = output_errors({"y": np.array([0.0])}, {"y": np.array([0.0])})
    assert flat.cosine is None


def test_strings_and_empty_outputs_are_not_compared() -> None:
    reference = {"s": np.array(["a"], object), "e": np.empty(0)}
    assert output_errors(reference, reference) == ()


DEVICES = ["cpu.serial", "pim.aim"]


def test_a_plan_says_how_close_it_is() -> None:
    plan = compile_model("zoo:tiny-mlp", devices=DEVICES, pins=["Gemm*=pim.aim"])
    [error] = plan.manifest.accuracy
    assert 0 < error.relative < 0.05
    assert error.cosine == pytest.approx(1, abs=1e-3)
    [exact] = compile_model("zoo:tiny-mlp", devices=["cpu.serial"]).manifest.accuracy
    assert exact.relative < 1e-6


def test_a_plan_beyond_the_tolerance_is_not_shipped() -> None:
    """Twelve bits are too few for a millionth, so that the PIM gets nothing to do."""
    plan = compile_model("zoo:tiny-mlp", devices=DEVICES, tolerance=1e-6)
    assert {node.device for node in plan.manifest.nodes} == {"cpu.serial"}
    assert plan.manifest.provenance.options["tolerance"] == "1e-06"


def test_where_no_plan_is_close_enough() -> None:
    with pytest.raises(ToleranceError, match="off by") as error:
        compile_model("zoo:tiny-mlp", devices=DEVICES, pins=["Gemm*=pim.aim"], tolerance=1e-6)
    assert error.value.fix
