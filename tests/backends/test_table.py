"""The table of devices: ours, those of other packages, and which of them are taken unasked."""

import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest

from stagecut import backends
from stagecut.backends import table
from stagecut.backends.null import create as create_null
from stagecut.compiler.ir.errors import DeviceError

_PACKAGE = """
from dataclasses import replace
from stagecut.backends.null import create as create_null

PRECISION = {"npu.f32": "f32", "npu.i8": "i8"}

def create(name, options):
    made = create_null(name, {"basis": "measured", "memory": "host"})
    return replace(made, device=replace(made.device, precision=PRECISION[name]))

def canonical_spec(name, options):
    return {"from": options["file"].upper()}
"""


@pytest.fixture
def _npu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that brings two devices that work, and two that do not."""
    (tmp_path / "npu.py").write_text(_PACKAGE)
    monkeypatch.syspath_prepend(tmp_path)
    values = {
        "npu.i8": "npu:create",
        "npu.f32": "npu:create",
        "gpu": "no_such_package:create",
        "tpu": "npu:no_such_function",
        "null": "npu:create",
    }
    found = [EntryPoint(name, value, "stagecut.backends") for name, value in values.items()]
    monkeypatch.setattr("stagecut.backends.packages.entry_points", lambda group: found)
    monkeypatch.delitem(sys.modules, "npu", raising=False)


@pytest.mark.usefixtures("_npu")
def test_devices_of_other_packages_come_after_ours() -> None:
    names = backends.names()
    assert names[-4:] == ("gpu", "npu.f32", "npu.i8", "tpu")
    assert names[0] == "cpu.serial"
    assert backends.create("npu.f32").device.precision == "f32"


@pytest.mark.usefixtures("_npu")
def test_a_name_of_ours_stays_ours() -> None:
    assert backends.names().count("null") == 1
    assert backends.create("null") == create_null("null", {})


@pytest.mark.usefixtures("_npu")
def test_what_an_option_stands_for_is_written_out() -> None:
    assert backends.canonical_spec("npu.f32:file=x") == "npu.f32:from=X"
    assert backends.canonical_spec("cpu.parallel:threads=2,") == "cpu.parallel:threads=2"


@pytest.mark.usefixtures("_npu")
@pytest.mark.parametrize("name", ["gpu", "tpu"])
def test_a_package_that_cannot_be_loaded_is_told(name: str) -> None:
    with pytest.raises(DeviceError, match=r"its package cannot be loaded: .*no_such") as error:
        backends.create(name)
    assert error.value.where == f"device {name}"
    [listed] = [each for each in backends.listed() if each.name == name]
    assert not listed.available
    assert "no_such" in listed.why_not


@pytest.mark.usefixtures("_npu")
def test_real_devices_are_measured_and_not_for_tests_nor_in_a_lower_precision() -> None:
    usual, all_real = backends.real_devices(), backends.real_devices(lower_precision="auto")
    assert {"cpu.serial", "cpu.parallel", "npu.f32"} <= set(usual)
    assert "npu.i8" in set(all_real) - set(usual)
    assert not {"null", "gpu", "pim.hbm"} & set(all_real)
    order = backends.names()
    assert [*all_real] == sorted(all_real, key=order.index)


def test_a_device_for_tests_is_never_real(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = replace(create_null("null", {}).device, basis="measured")
    made = SimpleNamespace(device=measured)
    monkeypatch.setattr(table, "_created", lambda *_: made)
    assert "null" not in backends.real_devices(lower_precision="auto")


def test_engines_on_the_cpu_compete_for_its_cores() -> None:
    devices = [backends.create(name).device for name in backends.real_devices()]
    assert {device.keeps_busy for device in devices} == {"cpu"}
    assert backends.create("cpu.parallel:threads=3").device.cores == 3
    assert backends.create("cpu.serial").device.cores == 1


def test_an_unknown_device_is_told_with_the_nearest() -> None:
    with pytest.raises(DeviceError, match=r"there is no device 'cpu\.seral'") as error:
        backends.create("cpu.seral")
    assert error.value.fix.startswith("did you mean 'cpu.serial'? the devices are cpu.serial, ")


def test_a_device_twice_is_refused() -> None:
    with pytest.raises(DeviceError, match="is given twice"):
        backends.create_all(["cpu.serial", "cpu.serial:watts_per_thread=4"])


def test_what_is_nothing_without_options_is_not_listed() -> None:
    assert "pim" in backends.BUILT_IN
    assert "pim" not in backends.names()


def test_a_device_may_be_there_twice_under_other_names() -> None:
    made = backends.create_all(
        ["pim.hbm", "a=pim.hbm:channels=16", "b=cpu.parallel:threads=1", "cpu.parallel"]
    )
    assert [*made] == ["pim.hbm", "a", "b", "cpu.parallel"]
    small = made["a"]
    assert (small.device.memory, small.memory.name, small.device.keeps_busy) == ("a", "a", "a")
    assert [(link.source, link.target) for link in small.links] == [("host", "a"), ("a", "host")]
    assert made["pim.hbm"].device.memory == "pim.hbm"
    assert (made["b"].device.memory, made["b"].device.keeps_busy) == ("host", "cpu")


def test_who_is_always_there_is_told_by_what_it_is() -> None:
    specs = {"a": "a=cpu.parallel:threads=4", "cpu.serial": "cpu.serial", "b": "b=pim.hbm"}
    assert backends.always(specs) == {"a", "cpu.serial"}


@pytest.mark.parametrize("own", ["cpu.serial", "openvino.f32", "null", "host", "cpu"])
def test_a_name_of_ones_own_is_none_of_ours(own: str) -> None:
    """Or plans would take it for the reference, for one."""
    for make in (backends.create_all, backends.create_from_plan):
        with pytest.raises(DeviceError, match=f"'{own}' is the name of something else"):
            make([f"{own}=null:memory=pim"])


def test_a_name_of_ones_own_is_kept_in_plans() -> None:
    spec = backends.canonical_spec("a=pim.hbm:channels=16")
    assert spec == "a=pim.hbm:channels=16"
    assert [*backends.create_from_plan([spec])] == ["a"]
    assert backends.configured("b=cpu.parallel", "waiting=spin") == "b=cpu.parallel:waiting=spin"
