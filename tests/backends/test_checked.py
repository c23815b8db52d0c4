"""Whatever a backend of another package answers or raises, the compile goes on without it there."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from stagecut import backends
from stagecut.backends.checked import CheckedBackend
from stagecut.compiler.context import Settings
from stagecut.compiler.ir.device import StageProgram
from stagecut.compiler.ir.errors import DeviceError
from stagecut.compiler.pipeline import compile_model
from stagecut.runtime.session import Session
from tests.support.liar import ERRORS, NONSENSE, RESULTS, install
from tests.support.nodes import sample
from tests.support.onnx_models import MODELS
from tests.support.reference import assert_as_reference

QUICK = Settings(effort="quick")
ANSWERS = [*ERRORS, *NONSENSE]


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


def _told(liar: str, *, model: str = "residual") -> str:
    """What the plan says that was worked around; it runs on ONNX Runtime alone, and is right."""
    proto = MODELS[model].proto()
    plan = compile_model(proto, devices=["cpu.serial", liar], granularity="op", settings=QUICK)
    planned = plan.first.planned
    assert {stage.device for stage in planned.schedule.stages} == {"cpu.serial"}
    feeds = {port.name: np.ones(port.shape, port.dtype) for port in planned.inputs}
    assert_as_reference(Session(plan), proto, feeds)
    refusals = {why for node in planned.nodes for why in node.refusals.values()}
    return "; ".join((*planned.workarounds, *sorted(refusals)))


#: What is said of what a backend raises.
SAID: Mapping[str, str] = {
    "ValueError": "no such thing",
    "unspeakable": "UnspeakableError",
    "MemoryError": "MemoryError",
    "RecursionError": "recursion depth exceeded",
    "SystemExit": "SystemExit",
    "panic": "PanicError: at src/lib.rs:7",
}


@pytest.mark.parametrize("at", ["supports", "prepare", "run"])
@pytest.mark.parametrize("does", ERRORS)
def test_errors(at: str, does: str) -> None:
    assert SAID[does] in _told(f"liar:at={at},does={does}")


@pytest.mark.parametrize("does", ERRORS)
def test_errors_of_a_model_of_costs(does: str) -> None:
    assert SAID[does] in _told(f"liar:basis=modelled,at=estimate,does={does}")


@pytest.mark.parametrize("does", NONSENSE)
def test_a_support_that_is_none(does: str) -> None:
    assert "when it is asked for its support" in _told(f"liar:at=supports,does={does}")


@pytest.mark.parametrize("does", NONSENSE)
def test_an_estimate_that_is_none(does: str) -> None:
    assert "when it is asked what it costs" in _told(f"liar:basis=modelled,at=estimate,does={does}")


def test_a_measured_device_has_no_estimates() -> None:
    assert "and is measured" in _told("liar:at=estimate,does=nan")


@pytest.mark.parametrize("does", ["None", "list", "text"])
def test_what_cannot_be_called(does: str) -> None:
    assert "which cannot be called" in _told(f"liar:at=prepare,does={does}")


@pytest.mark.parametrize("does", RESULTS)
def test_results_that_are_none(does: str) -> None:
    told = _told(f"liar:at=run,does={does}")
    assert "handed back" in told or "not a numpy array" in told or "in the model" in told


@pytest.mark.parametrize("does", ["ValueError", "None", "a row more", "float64"])
def test_a_link_that_does_not_transfer(does: str) -> None:
    told = _told(f"liar:memory=far,at=transfer,does={does}")
    assert SAID.get(does, "after its transfer") in told


@pytest.mark.parametrize("does", ["ValueError", "nan"])
def test_a_link_without_a_price(does: str) -> None:
    assert (
        "its backend failed"
        in (told := _told(f"liar:memory=far,basis=modelled,at=link,does={does}"))
        or "what it costs" in told
    )


@pytest.mark.parametrize(
    "at", ["create", "device", "memory", "links", "alone", "keeps_values", "canonical"]
)
@pytest.mark.parametrize("does", [*ERRORS, "None", "text", "number"])
def test_a_device_that_cannot_say_what_it_is(at: str, does: str) -> None:
    with pytest.raises(DeviceError) as error:
        compile_model("zoo:tiny-mlp", devices=["cpu.serial", f"liar:at={at},does={does}"])
    assert error.value.where == "device liar"


@pytest.mark.parametrize("at", ["prepare", "run"])
def test_the_reference_is_added_where_all_that_was_named_fails(at: str) -> None:
    devices = [f"liar:at={at},does=ValueError,on=Relu"]
    plan = compile_model(
        MODELS["residual"].proto(), devices=devices, granularity="op", settings=QUICK
    )
    planned = plan.first.planned
    assert planned.schedule.device_of["Relu"] == "cpu.serial"
    assert planned.workarounds[0].startswith("cpu.serial is added to the devices: ")
    assert "no such thing" in planned.workarounds[0]


def test_a_device_of_another_package_is_listed() -> None:
    [listed] = [each for each in backends.listed() if each.name == "liar"]
    assert listed.available


@dataclass
class _Keeper:
    """Says, or raises, whatever it is to when it is asked how it keeps a stage."""

    answer: object

    def stored(self, _: StageProgram) -> object:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("answer", [None, "stage", ValueError("no"), MemoryError()], ids=repr)
def test_a_stage_that_nobody_can_keep_otherwise_is_kept_as_it_is(answer: object) -> None:
    case = sample("(float[3] x) => (float[3] y) { y = Relu(x) }")
    engine = backends.create_all(["cpu.serial"])["cpu.serial"]
    assert isinstance(engine, CheckedBackend)
    rude = replace(engine, inner=_Keeper(answer))  # type: ignore[arg-type]
    assert rude.stored(case.stage) is case.stage
    other = replace(case.stage, name="other")
    willing = replace(engine, inner=_Keeper(other))  # type: ignore[arg-type]
    assert willing.stored(case.stage) is other
