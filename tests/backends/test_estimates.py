"""What devices that are modelled say of single operators."""

import pytest

from stagecut import backends
from stagecut.compiler.ir.errors import UsageError


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
