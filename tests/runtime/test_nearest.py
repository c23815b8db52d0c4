"""Which profiled shapes are the nearest."""

import math
from dataclasses import replace

import pytest

from stagecut.compiler.ir.plan import PlannedEntry
from stagecut.compiler.ir.port import InputPort
from stagecut.compiler.ir.state import Decoding, State
from stagecut.runtime.nearest import chooser, distance
from stagecut.runtime.unprofiled_shapes import Shapes
from tests.support.planned_variants import mixed

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


def _entry(switches: tuple[int, ...]) -> PlannedEntry:
    """Variants behind 4, 64 and 100 tokens."""
    ports = [InputPort(name, "float32", (1, 1)) for name in ("tokens", "past")]
    variants = [
        replace(mixed().planned, inputs=(ports[0], replace(ports[1], shape=(length, 1))))
        for length in (4, 64, 100)
    ]
    return PlannedEntry(tuple(variants), switches=switches)


@pytest.mark.parametrize(
    ("length", "by_length", "nearest"), [(4, 0, 0), (9, 0, 0), (10, 1, 0), (70, 1, 1), (90, 2, 2)]
)
def test_of_a_decoder_the_length_says_which_variant_runs(
    length: int, by_length: int, nearest: int
) -> None:
    decoding = Decoding((State("past", "present", "float32", (1,), 0),), 128, "logits")
    shapes = ((1, 1), (length, 1))
    assert chooser(_entry((10, 80)), decoding)(shapes) == by_length
    assert chooser(_entry(()), None)(shapes) == nearest
