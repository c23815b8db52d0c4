"""OpenVINO is installed and cannot be imported: libopenvino.so is missing, or of another ABI."""

import sys
from collections.abc import Iterator
from importlib import util
from pathlib import Path

import onnx
import pytest

from stagecut import backends
from stagecut.compiler import compile_model
from stagecut.compiler.ir.errors import BrokenDeviceError, StageFault
from stagecut.runtime import Session
from tests.support.command_line import stagecut
from tests.support.onnx_models import MODELS

_WHY = "libopenvino.so.2641: cannot open shared object file: No such file or directory"
_DEVICES = ["openvino.f32", "cpu.serial"]

needs_openvino = pytest.mark.skipif(
    util.find_spec("openvino") is None, reason="OpenVINO comes with the openvino extra"
)


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package openvino before any other; what was loaded of the right one comes back."""
    (tmp_path / "site" / "openvino").mkdir(parents=True)
    (tmp_path / "site" / "openvino" / "__init__.py").write_text(f"raise ImportError({_WHY!r})")
    ours = "stagecut.backends.openvino"
    loaded = {
        name: module
        for name, module in sys.modules.items()
        if name.partition(".")[0] == "openvino"
        or (name.startswith(f"{ours}.") and hasattr(module, "ov"))
    }
    for name in loaded:
        del sys.modules[name]
        if name.startswith(f"{ours}."):
            monkeypatch.delattr(sys.modules[ours], name.rpartition(".")[2])
    monkeypatch.syspath_prepend(tmp_path / "site")
    yield
    sys.modules.update(loaded)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    onnx.save(MODELS["chain"].proto(), tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


@pytest.mark.usefixtures("broken")
def test_it_is_listed_with_the_reason() -> None:
    listed = {each.name: each for each in backends.listed()}
    assert not listed["openvino.f32"].available
    assert _WHY in listed["openvino.f32"].why_not
    assert not {*backends.real_devices()} & {"openvino.f32", "openvino.f32.serial"}
    with pytest.raises(BrokenDeviceError, match=r"is installed and cannot be used: libopenvino"):
        backends.create("openvino.f32")


@pytest.mark.usefixtures("broken")
def test_a_compile_goes_on_without_it_and_says_so(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = model.with_name("a.plan")
    said = stagecut(capsys, monkeypatch, "compile", model, "-o", made, "--no-cache")
    assert said.code == 0, said.err
    assert "openvino.f32" in said.err
    assert f"left out: the package openvino is installed and cannot be used: {_WHY}" in said.err
    said = stagecut(capsys, monkeypatch, "profile", model, "-o", f"{made}.json", "--no-cache")
    assert said.code == 0, said.err
    assert "left out: the package openvino" in said.err


@needs_openvino
def test_the_fallback_runs_even_where_a_rule_named_the_engine(
    model: Path, request: pytest.FixtureRequest
) -> None:
    made = compile_model(model, devices=_DEVICES, pins=["*=openvino.f32"])
    made.save(model.with_name("a.plan"))
    request.getfixturevalue("broken")
    with pytest.raises(BrokenDeviceError, match="cannot be used") as error:
        Session(model.with_name("a.plan"))
    assert "--fallback" in error.value.fix
    session = Session(model.with_name("a.plan"), fallback=True)
    assert session.is_fallback
    assert session.get_providers() == ["cpu.serial"]


@needs_openvino
def test_the_fallback_runs_where_an_engine_refuses_its_stage(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = compile_model(model, devices=_DEVICES, pins=["*=openvino.f32"])

    def prepare(*_: object, **__: object) -> None:
        raise RuntimeError("Device with CPU name is not registered")

    monkeypatch.setattr("stagecut.backends.openvino.engine.prepare", prepare)
    with pytest.raises(StageFault, match="is not registered") as error:
        Session(made)
    assert "--fallback" in error.value.fix
    assert Session(made, fallback=True).is_fallback
