"""How far off a contender may be, by its devices and by what was asked for."""

import pytest

from stagecut.compiler.ir.machine import Device
from stagecut.passes.gate.limits import limit_of

OWN, UNKNOWN = Device("cpu", "host", precision="f32"), Device("null", "host")
LOWER = Device("pim", "pim", precision="bf16")

CASES = {
    "the model's own precision": ([OWN, UNKNOWN], None, 1e-3),
    "one of lower precision": ([OWN, LOWER], None, 0.05),
    "what is asked for, if more": ([OWN], 0.2, 0.2),
    "what is asked for, if less": ([LOWER], 1e-6, 1e-6),
}


@pytest.mark.parametrize(("devices", "tolerance", "relative"), CASES.values(), ids=CASES.keys())
def test_limits(devices: list[Device], tolerance: float | None, relative: float) -> None:
    limit = limit_of(devices, tolerance)
    assert (limit.relative, limit.asked) == (relative, tolerance is not None)
    assert limit.stretched == (LOWER not in devices)


def test_all_plans_of_a_quantised_model_are_held_out() -> None:
    limit = limit_of([OWN], 0.02, quantised=True)
    assert (limit.lower, limit.stretched, limit.relative) == (True, False, 0.02)


def test_with_a_metric_the_tolerance_is_what_that_may_lose() -> None:
    lower = limit_of([OWN, LOWER], 0.01, metric=True)
    assert (lower.loss, lower.asked, lower.stretched) == (0.01, True, False)
    assert lower.relative > 1e300
    own = limit_of([OWN], 0.01, metric=True)
    assert (own.loss, own.asked, own.relative) == (None, False, 1e-3)


def test_a_model_of_short_floats_explains_as_much_as_a_device() -> None:
    limit = limit_of([OWN], None, narrow=True)
    assert (limit.relative, limit.stretched) == (0.05, False)
