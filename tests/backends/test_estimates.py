"""What devices that are modelled say of single operators."""

import math
import sys
from typing import Any

import pytest

from stagecut import backends
from stagecut.compiler.ir.errors import EngineError, UsageError


@pytest.mark.parametrize("spec", ["pim.hbm", "pim.aim", "pim.silent"])
def test_a_modelled_device_answers(spec: str) -> None:
    model, shapes = backends.operator_model(spec), [(1, 64), (64, 32)]
    cost = model.estimate_operator("MatMul", shapes, None)
    assert cost.lines()[0].startswith(f"MatMul on {spec}: ")
    assert cost.document()["device"] == spec
    place = model.place_operator("MatMul", shapes, None)
    assert place.document()["tiles"]
    assert "outputs" in place.lines()[1]


def test_a_measured_device_has_no_answer() -> None:
    with pytest.raises(UsageError, match=r"cpu\.serial has no timing model") as error:
        backends.operator_model("cpu.serial")
    assert error.value.fix


class _Answers:
    def __init__(self, document: object, lines: object = ()) -> None:
        self._document, self._lines = document, lines

    def document(self) -> Any:
        return self._document() if callable(self._document) else self._document

    def lines(self) -> Any:
        return self._lines


#: What a device says, and what is said of that.
ODD = {
    "it raises": (lambda: 1 / 0, "cannot be computed: ZeroDivisionError"),
    "it ends the process": (lambda: sys.exit(0), "cannot be computed: SystemExit: 0"),
    "an infinite number": ({"run_s": math.inf}, "not JSON compliant"),
    "nothing": (None, "cannot be computed: TypeError"),
}


@pytest.mark.parametrize(("document", "says"), ODD.values(), ids=ODD.keys())
def test_an_answer_that_cannot_be_printed(document: object, says: str) -> None:
    with pytest.raises(EngineError, match=says) as error:
        backends.said("mine", lambda: _Answers(document))
    assert error.value.where == "device mine"


def test_what_is_printed() -> None:
    found = backends.said("mine", lambda: _Answers({"run_s": 1.0}, ["a second"]))
    assert (found.document, found.lines) == ({"run_s": 1.0}, ["a second"])
