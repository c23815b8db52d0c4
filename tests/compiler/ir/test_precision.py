"""What a plan says of its precision is found by the contender's name."""

from stagecut.compiler.ir.precision import ContenderError, ErrorPoint, PlannedPrecision

OPTIMUM = ContenderError("optimum", 0.01, 0.011, kept=True)
PLANNED = PlannedPrecision(0.05, 4, 48, 4, (), (OPTIMUM,))


def test_that_of_a_contender() -> None:
    assert PLANNED.of("optimum") == OPTIMUM
    assert PLANNED.of("cpu.serial") is None


def test_an_error_is_that_measured_where_there_is_one() -> None:
    assert OPTIMUM.error == 0.011
    assert ContenderError("other", 0.01, None, kept=True).error == 0.01
    assert ErrorPoint(1.0, "measured", 0.02, 0.0, {}).error == 0.0
    assert ErrorPoint(1.0, "measured", 0.02, None, {}).error == 0.02
