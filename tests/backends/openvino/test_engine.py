"""What OpenVINO keeps for each shape is bounded; a shape that it infers otherwise is told."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import psutil
import pytest

from stagecut import backends
from stagecut.compiler.ir.errors import EngineError
from tests.support.operators.case import inferred, placed
from tests.support.operators.forms.shorthand import c, form, w, x
from tests.support.operators.prepared import prepared
from tests.support.operators.schemas import case_of

pytest.importorskip("openvino", reason="OpenVINO comes with the openvino extra")

DEVICE = "openvino.f32.serial"


def _kept_for_new_sizes() -> int:
    """By how many bytes a process grows that saw 300 batch sizes and meets 300 between them."""
    execute = prepared(DEVICE, "Conv", form(x(1, 3, 16, 16), w(8, 3, 3, 3)), opened=True)
    images = np.ones((600, 3, 16, 16), np.float32)
    for size in range(600, 0, -2):
        execute([images[:size]])
    before = psutil.Process().memory_info().rss
    for size in range(599, 0, -2):
        execute([images[:size]])
    return int(psutil.Process().memory_info().rss - before)


def test_many_batch_sizes_do_not_take_ever_more_memory() -> None:
    """Left alone, it keeps 0.1 MB for each size.

    In a process of its own: what other tests have left behind frees and takes memory, too.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        assert process.submit(_kept_for_new_sizes).result() < 300 * 2**16


@pytest.mark.parametrize("size", [1, 7, 8])
def test_a_shape_may_come_again(size: int) -> None:
    execute = prepared(DEVICE, "Conv", form(x(1, 3, 16, 16), w(8, 3, 3, 3)), opened=True)
    images = np.ones((12, 3, 16, 16), np.float32)
    (first,) = execute([images[:size]])
    for other in range(1, 12):
        execute([images[:other]])
    np.testing.assert_array_equal(execute([images[:size]])[0], first)


def test_another_shape_is_told_as_it_is() -> None:
    """Not the last line of our own error."""
    asked = form(x(2, 6, 1, dtype="float32"), None, c(1, "int64"), onesided=1)
    model = case_of("DFT", 20, asked).model()
    results = inferred(model)
    assert results is not None
    with pytest.raises(EngineError, match=r"OpenVINO makes y0 .* not \[2, 4, 2\]"):
        backends.create(DEVICE).prepare(placed(model, results)[1])
