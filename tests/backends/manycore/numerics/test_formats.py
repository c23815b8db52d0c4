"""The number formats: what they hold, and how far a rounding may be off."""

import numpy as np
import pytest

from stagecut.backends.manycore.numerics.formats import FORMATS, Format


@pytest.mark.parametrize(
    ("name", "lanes", "largest"),
    [
        ("fp64", 1, None),
        ("fp32", 2, None),
        ("fp16", 4, 65504),
        ("fp8", 8, 240),
        ("fp8_e5m2", 8, 57344),
    ],
)
def test_a_register_of_64_bits_and_what_is_too_large(
    name: str, lanes: int, largest: float | None
) -> None:
    form = FORMATS[name]
    assert form.lanes == lanes
    if largest is not None:
        assert form.rounded(np.array([largest, 2 * largest], np.float32)).tolist() == [
            largest,
            np.inf,
        ]


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS.keys())
def test_rounding_is_off_by_half_a_unit_or_half_the_smallest_number(form: Format) -> None:
    rng = np.random.default_rng(0)
    numbers = rng.standard_normal(4000) * 2.0 ** rng.integers(-20, 7, 4000)
    off = np.abs(form.held(numbers) - numbers)
    assert (off <= np.maximum(np.abs(numbers) * form.unit, form.tiny)).all()
    if form.stored != np.float64:
        assert off.max() > 0
