"""What ONNX's reference evaluator cannot run is refused, and nothing else."""

import numpy as np
import pytest

from stagecut.backends.null import create
from stagecut.compiler.ir.device import Tensor
from tests.support.nodes import Sample, sample


def _gathered(shape: tuple[int, ...], axis: int | None) -> Sample:
    sizes = ",".join(map(str, shape))
    given = "" if axis is None else f"<axis = {axis}>"
    return sample(
        f"(float[{sizes}] x, int64[{sizes}] i) => (float[{sizes}] y) "
        f"{{ y = GatherElements {given} (x, i) }}"
    )


TAKEN = {
    "few rows": ((4, 1000), 0),
    "few rows, the axis unsaid": ((4, 1000), None),
    "few columns": ((1000, 4), -1),
    "as many as there may be": ((2, 63, 3), 1),
}


@pytest.mark.parametrize(("shape", "axis"), TAKEN.values(), ids=TAKEN.keys())
def test_elements_of_few_parts_are_gathered(shape: tuple[int, ...], axis: int | None) -> None:
    """However long the other axes are."""
    case, backend = _gathered(shape, axis), create("null", {})
    assert backend.supports(case.node)
    rng, parts = np.random.default_rng(0), shape[axis or 0]
    x = rng.standard_normal(shape).astype(np.float32)
    indices = rng.integers(-parts, parts, shape)
    [found] = backend.prepare(case.stage)([x, indices])
    np.testing.assert_array_equal(found, np.take_along_axis(x, indices, axis or 0))


@pytest.mark.parametrize(("shape", "axis"), [((64, 3), 0), ((1000, 4), None), ((2, 3, 64), -1)])
def test_elements_of_many_parts_are_refused(shape: tuple[int, ...], axis: int | None) -> None:
    case, backend = _gathered(shape, axis), create("null", {})
    assert "at most" in backend.supports(case.node).reason
    rng, parts = np.random.default_rng(0), shape[axis or 0]
    feeds: list[Tensor] = [np.zeros(shape, np.float32), rng.integers(-parts, parts, shape)]
    with pytest.raises((IndexError, ValueError)):
        backend.prepare(case.stage)(feeds)
