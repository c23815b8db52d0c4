"""What OpenVINO cannot take, it is not given; what it may give wrong is not believed."""

from collections.abc import Iterable

import numpy as np
import pytest

from stagecut.compiler.ir.errors import ValueRangeError
from tests.support.operators.forms.shorthand import c, form, x
from tests.support.operators.prepared import prepared

pytest.importorskip("openvino", reason="OpenVINO comes with the openvino extra")

DEVICE = "openvino.f32.serial"


def test_empty_inputs_are_not_given_to_it() -> None:
    execute = prepared(DEVICE, "Relu", form(x(2, 3, dtype="float32")), opened=True)
    with pytest.raises(ValueRangeError, match="empty"):
        execute([np.zeros((0, 3), np.float32)])


def test_empty_results_are_not_believed() -> None:
    asked = form(x(4, 5, dtype="float32"), c([3], "int64"), c([9], "int64"), c([0], "int64"))
    execute = prepared(DEVICE, "Slice", asked, opened=True)
    assert execute([np.ones((4, 5), np.float32)])[0].shape == (1, 5)
    with pytest.raises(ValueRangeError, match="result is empty"):
        execute([np.ones((2, 5), np.float32)])


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_integers_that_float32_cannot_hold_are_not_given_to_it(dtype: str) -> None:
    execute = prepared(DEVICE, "Equal", form(x(2, dtype=dtype), x(2, dtype=dtype)))
    exact = np.array([2**24, -(2**24)], dtype)
    assert execute([exact, exact - np.array([1, 0], dtype)])[0].tolist() == [False, True]
    with pytest.raises(ValueRangeError, match="24 bits"):
        execute([exact, exact + np.array([1, 0], dtype)])


LARGE = 1 << 20  # numbers: their results are kept to be used again


def test_memory_of_results_that_nobody_has_serves_again() -> None:
    execute = prepared(DEVICE, "Relu", form(x(LARGE, dtype="float32")))
    given = np.ones(LARGE, np.float32)
    seen = {_address(execute([given])) for _ in range(8)}
    assert len(seen) <= 2


def test_memory_of_small_results_is_not_kept() -> None:
    execute = prepared(DEVICE, "Relu", form(x(LARGE // 2, dtype="float32")))
    [result] = execute([np.ones(LARGE // 2, np.float32)])
    assert result.base is None


@pytest.mark.parametrize(
    "part",
    [lambda it: it, lambda it: it[1:], lambda it: it.reshape(2, -1).T[3:], memoryview],
    ids=["whole", "part", "transposed", "memoryview"],
)
def test_results_that_somebody_has_stay_as_they_are(part: object) -> None:
    assert callable(part)
    execute = prepared(DEVICE, "Relu", form(x(LARGE, dtype="float32")))
    held = [part(execute([np.full(LARGE, each, np.float32)])[0]) for each in range(6)]
    assert [{float(np.min(it)), float(np.max(it))} for it in held] == [{each} for each in range(6)]


def _address(results: Iterable[object]) -> int:
    [result] = results
    assert isinstance(result, np.ndarray)
    return result.ctypes.data
