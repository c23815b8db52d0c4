"""What a plan says of its precision is found by the contender's name."""

from stagecut.compiler.ir.precision import ContenderError, PlannedPrecision

OPTIMUM = ContenderError("optimum", 0.01, 0.011, kept=True)
PLANNED = PlannedPrecision(0.05, 4, 48, 4, (), (OPTIMUM,))


def test_that_of_a_contender() -> None:
    assert PLANNED.of("optimum") == OPTIMUM
    assert PLANNED.of("cpu.serial") is None
