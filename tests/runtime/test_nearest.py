"""Which profiled shapes are the nearest."""

import math

import pytest

from stagecut.runtime.nearest import distance
from stagecut.runtime.unprofiled_shapes import Shapes

CASES: dict[str, tuple[Shapes, Shapes, float]] = {
    "the same": (((2, 3), ()), ((2, 3), ()), 0.0),
    "half and double are as far": (((32,),), ((16,),), math.log(2)),
    "double": (((32,),), ((64,),), math.log(2)),
    "sums up": (((2, 8), (2,)), ((1, 4), (1,)), 3 * math.log(2)),
    "an empty one counts as one": (((0,),), ((4,),), math.log(4)),
    "another rank": (((2,),), ((2, 3),), 2e3),
}


@pytest.mark.parametrize(("shapes", "profiled", "far"), CASES.values(), ids=CASES.keys())
def test_how_far_shapes_are(shapes: Shapes, profiled: Shapes, far: float) -> None:
    assert distance(shapes, profiled) == pytest.approx(far)
