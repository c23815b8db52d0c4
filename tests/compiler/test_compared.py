"""What is kept of compared plans says of the one that ships on what it was right."""

import math

from stagecut.compiler.compared import Compared, KeptAccuracy
from stagecut.compiler.ir.checks import Checks, OutputDifference
from stagecut.compiler.ir.contender import Contender, ContenderId, ContenderKind

ONE, OTHER = ContenderId(ContenderKind.SINGLE, "one"), ContenderId(ContenderKind.SINGLE, "other")
OFF = OutputDifference("y", 0.5, 0.25, 1.0)


def _contender(id_: ContenderId, *, chosen: bool) -> Contender:
    return Contender(id_, 1, 1.0, 1.0, 1.0, 3, "measured", "measured", chosen, 1.0)


def _compared(inputs: tuple[str, ...], worst: float, elsewhere: tuple[str, ...] = ()) -> Compared:
    contenders = (_contender(ONE, chosen=True), _contender(OTHER, chosen=False))
    accuracy = (KeptAccuracy(ONE, (OFF,), inputs, worst), KeptAccuracy(OTHER, (), (), 9.0))
    return Compared(contenders, accuracy, elsewhere=elsewhere)


def test_the_one_that_ships() -> None:
    compared = _compared(("samples",), 0.25, elsewhere=("other shapes",))
    assert compared.chosen.id == ONE
    assert compared.chosen_accuracy == (OFF,)
    assert compared.checks == Checks(("samples", "other shapes"), 0.25)


def test_a_difference_that_is_no_number() -> None:
    assert _compared(("samples",), math.inf).checks == Checks(("samples",), None)


def test_nothing_to_compare_with() -> None:
    assert _compared((), 0.0).checks is None
