"""The devices of a compile, as they were asked for and as streams need them."""

import pytest

from stagecut.compiler.context import Settings
from stagecut.compiler.context_of import context_of
from stagecut.compiler.ir.errors import DeviceError
from stagecut.compiler.measure.cpus import usable_cpus


def test_what_was_asked_for() -> None:
    context = context_of(["cpu.parallel:threads=1,", "cpu.serial"], Settings())
    assert dict(context.specs) == {
        "cpu.parallel": "cpu.parallel:threads=1",
        "cpu.serial": "cpu.serial",
    }
    assert [*context.backends] == [*context.specs]


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(DeviceError, match="no device"):
        context_of(["gpu.nine"], Settings())


def test_who_asks_for_a_precision_that_no_device_has_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = {"bf16": ("cpu.serial",), "int8": ("cpu.serial", "cpu.int8.serial")}
    monkeypatch.setattr(
        "stagecut.backends.survey",
        lambda *, lower_precision, listener: (there[lower_precision], ()),
    )
    told: list[str] = []
    settings = Settings(warn=told.append)
    for asked in there:
        context_of(None, settings, lower_precision=asked)
    context_of(["cpu.serial"], settings, lower_precision="bf16")  # by the user's own choice
    assert told == ["no device here computes in bf16: the plan is in full precision"]


@pytest.mark.parametrize(
    ("cpus", "threads"), [(1, []), (2, []), (3, [2]), (8, [2, 4]), (9, [2, 4, 8])]
)
def test_in_streams_devices_are_there_with_fewer_threads(
    cpus: int, threads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stagecut.compiler.context_of.usable_cpus", lambda: cpus)
    specs = context_of(None, Settings(), streams=True).specs
    found = {name: spec for name, spec in specs.items() if name.startswith("cpu.t")}
    assert found == {f"cpu.t{each}": f"cpu.t{each}=cpu.parallel:threads={each}" for each in threads}
    assert not any(".t" in name for name in context_of(None, Settings()).specs)


def test_in_streams_devices_serve_several_callers() -> None:
    pytest.importorskip("openvino", reason="OpenVINO comes with the openvino extra")
    cores = usable_cpus()
    context = context_of(["openvino.f32.serial", "cpu.serial"], Settings(), streams=True)
    told = f":streams={cores}" if cores > 1 else ""
    assert dict(context.specs) == {
        "openvino.f32.serial": f"openvino.f32.serial{told}",
        "cpu.serial": "cpu.serial",  # serves any number as it is
    }
    asked = context_of(["openvino.f32.serial:streams=1"], Settings(), streams=True)
    assert asked.specs["openvino.f32.serial"] == "openvino.f32.serial:streams=1"
