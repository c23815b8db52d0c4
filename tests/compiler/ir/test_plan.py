"""What a plan says about itself: who ships, under which name, and what was observed of it."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.errors import PlanError
from stagecut.compiler.ir.plan import Circumstances, ContenderId, ContenderKind, PlannedStage
from tests.support.planned_variants import mixed

KINDS = {
    "the optimum": (ContenderId(ContenderKind.OPTIMUM), "optimum"),
    "with fewer stages": (ContenderId(ContenderKind.FEWER_STAGES), "optimum, fewer stages"),
    "a device alone": (ContenderId(ContenderKind.SINGLE, "cpu.serial"), "cpu.serial"),
    "in a configuration of its own": (
        ContenderId(ContenderKind.SINGLE, "cpu.parallel", "waiting=spin"),
        "cpu.parallel (waiting=spin)",
    ),
    "a device first": (ContenderId(ContenderKind.FIRST, "openvino.f32"), "openvino.f32 first"),
}


@pytest.mark.parametrize(("id_", "text"), KINDS.values(), ids=KINDS.keys())
def test_what_contenders_are_called(id_: ContenderId, text: str) -> None:
    assert str(id_) == text


def test_an_optimum_that_is_one_device_goes_by_the_device_and_is_still_the_optimum() -> None:
    shipped = mixed().planned.shipped
    optimum, alone = ContenderId(ContenderKind.OPTIMUM), ContenderId(ContenderKind.SINGLE, "cpu")
    both = replace(shipped, id=optimum, also=(alone,))
    assert (both.name, both.is_optimum, both.single_device) == ("cpu", True, "cpu")
    one = replace(shipped, id=optimum, also=())
    assert (one.name, one.is_optimum, one.single_device) == ("optimum", True, None)
    other = replace(shipped, id=alone, also=())
    assert (other.name, other.is_optimum, other.single_device) == ("cpu", False, "cpu")


def test_only_what_was_run_was_observed() -> None:
    planned = mixed().planned
    assert planned.observed_s == planned.shipped.median_s
    predicted = tuple(replace(each, accounting="predicted") for each in planned.contenders)
    assert replace(planned, contenders=predicted).observed_s is None


def test_the_program_of_a_stage_is_its_file() -> None:
    assert PlannedStage("variant-1/stage-000.onnx", (), ()).program == "variant-1/stage-000"


def test_the_profiled_shapes() -> None:
    planned = mixed().planned
    one = replace(planned.inputs[0], name="ids", shape=(1, 128))
    scalar = replace(planned.inputs[0], name="scale", shape=())
    assert replace(planned, inputs=(one, scalar)).profiled == "ids 1x128, scale scalar"


@pytest.mark.parametrize("at_s", [-1.0, float("nan"), float("inf"), 1e300])
def test_a_time_of_day_that_is_none(at_s: float) -> None:
    with pytest.raises(PlanError, match="no time of day"):
        Circumstances("gate", at_s)
