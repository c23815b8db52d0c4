"""What can be wrong with the arguments of a compile is said in words, before anything is done."""

import re
from typing import Any

import numpy as np
import pytest

from stagecut.compiler.arguments import each_shape, lower_precision_of, tolerance_of
from stagecut.compiler.context import Settings
from stagecut.compiler.ir.errors import StagecutError
from stagecut.compiler.pipeline import compile_model
from stagecut.compiler.profiling import plan_profile, profile_model

X = np.ones((2, 3), np.float32)

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "one device": ({"devices": "cpu.serial"}, "devices: it is 'cpu.serial'"),
    "a device that is no text": ({"devices": [3]}, "devices: it is 3"),
    "devices that can be read but once": ({"devices": iter(["null"])}, "devices: it is <list_it"),
    "a granularity": ({"granularity": "fine"}, "granularity: it is 'fine'"),
    "feeds that are one array": ({"feeds": X}, "feeds: they are a ndarray"),
    "a feed that is a list": ({"feeds": {"x": [[1.0]]}}, "input x: is a list"),
    "a feed that is none": ({"feeds": {"x": None}}, "input x: is a NoneType"),
    "shapes that are a number": ({"shapes": 3}, "shapes: 3 is no shape"),
    "sizes that are no numbers": ({"shapes": {"x": ("a", 3)}}, "is no shape of each input"),
    "sizes that are not whole": ({"shapes": {"x": (2.5, 3)}}, "is no shape of each input"),
    "no settings": ({"settings": None}, "settings: it is None"),
    "no options of decoders": ({"decoding": "x"}, "decoding: it is 'x'"),
    "an effort": ({"settings": Settings(effort="great")}, "effort"),  # type: ignore[arg-type]
}
QUESTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "an objective": ({"objective": 3}, "objective: it is 3"),
    "one pin": ({"pins": "Relu=cpu.serial"}, "pins: it is 'Relu=cpu.serial'"),
    "one rule that forbids": ({"forbids": "Relu=cpu.serial"}, "forbids: it is"),
    "a tolerance that is none": ({"tolerance": float("nan")}, "tolerance: it is nan"),
    "a tolerance below 0": ({"tolerance": -1}, "tolerance: it is -1"),
    "a tolerance in words": ({"tolerance": "small"}, "tolerance: it is 'small'"),
    "a tolerance that is yes or no": ({"tolerance": True}, "tolerance: it is True"),
    "a tolerance beyond all numbers": ({"tolerance": 10**400}, "tolerance: it is 1000"),
    "batches": ({"max_batch": np.array([1, 2])}, "max_batch: it is array([1, 2])"),
    "a batch that is yes or no": ({"max_batch": True}, "max_batch: it is True"),
    "no energy at all": ({"max_energy_j": -1.0}, "max_energy_j: it is -1.0"),
    "no batch at all": ({"max_batch": 0}, "max_batch: it is 0"),
    "a batch that is not whole": ({"max_batch": 1.5}, "max_batch: it is 1.5"),
    "the name of a table": ({"costs": "costs.json"}, "costs: it is 'costs.json'"),
    "shapes in a list": ({"shapes": [3]}, "shapes: 3 is no shape"),
}


@pytest.mark.parametrize(
    ("given", "told"), [*WRONG.values(), *QUESTIONS.values()], ids=[*WRONG, *QUESTIONS]
)
@pytest.mark.parametrize("isolated", [False, True], ids=["here", "apart"])
def test_of_a_compile(given: dict[str, Any], told: str, isolated: bool) -> None:
    with pytest.raises(StagecutError, match=re.escape(told)) as error:
        compile_model("zoo:tiny-mlp", isolated=isolated, **{"devices": ["cpu.serial"], **given})
    assert error.value.fix


@pytest.mark.parametrize(("given", "told"), WRONG.values(), ids=WRONG)
def test_of_a_profile(given: dict[str, Any], told: str) -> None:
    with pytest.raises(StagecutError, match=re.escape(told)):
        profile_model("zoo:tiny-mlp", **{"devices": ["cpu.serial"], **given})


def test_of_a_profile_that_is_only_planned() -> None:
    with pytest.raises(StagecutError, match="devices: it is"):
        plan_profile("zoo:tiny-mlp", devices="cpu.serial")


def test_sizes_become_python_s_own() -> None:
    [found] = each_shape({"x": np.array([2, 3])})
    assert found == {"x": (2, 3)}
    assert {type(size) for size in found["x"]} == {int}
    assert each_shape(None) == each_shape({}) == each_shape([]) == ({},)


ASKED = {
    "nothing": (None, None, "", None),
    "a tolerance": (0.01, None, "auto", 0.01),
    "all precisions": (None, "auto", "auto", 0.05),
    "one of them": (None, "int8", "int8", 0.05),
    "one within a tolerance": (0.01, "int4", "int4", 0.01),
    "the model's own": (None, "f32", "", None),
    "the model's own within a tolerance": (0.01, "f32", "", 0.01),
}


@pytest.mark.parametrize(
    ("tolerance", "precision", "admitted", "most"), ASKED.values(), ids=ASKED.keys()
)
def test_which_precisions_are_admitted_and_how_far_off(
    tolerance: float | None, precision: str | None, admitted: str, most: float | None
) -> None:
    assert lower_precision_of(tolerance, precision) == admitted
    assert tolerance_of(tolerance, precision) == most
