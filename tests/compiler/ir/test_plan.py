"""What a plan says about itself: what was observed of it, and for which shapes it was made."""

from dataclasses import replace

from stagecut.compiler.ir.plan import PlannedStage
from tests.support.planned_variants import mixed


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
