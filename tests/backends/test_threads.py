"""Devices on the CPU's threads: how many, what they draw, and that they compete."""

import pytest

from stagecut.backends.threads import on_threads
from stagecut.compiler.ir.errors import DeviceError
from stagecut.compiler.measure.cpus import usable_cpus


def test_a_serial_device_has_one_thread() -> None:
    device = on_threads("npu.serial", {}, "An engine", "f32")
    assert (device.cores, device.power_w) == (1, 3.0)
    assert device.description == "An engine, 1 thread"


def test_others_have_all_that_may_be_used_or_as_many_as_asked() -> None:
    assert on_threads("npu", {}, "An engine", "f32").cores == usable_cpus()
    device = on_threads("npu", {"threads": "7", "watts_per_thread": "2"}, "An engine", "bf16")
    assert (device.cores, device.power_w, device.precision) == (7, 14.0, "bf16")
    assert device.description == "An engine, 7 threads"


def test_all_of_them_compete_for_one_resource() -> None:
    names = ("npu", "npu.serial", "other")
    assert {on_threads(name, {}, "An engine", "f32").keeps_busy for name in names} == {"cpu"}


@pytest.mark.parametrize("options", [{"threads": "0"}, {"watts_per_thread": "0"}, {"cores": "2"}])
def test_nonsense_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(DeviceError):
        on_threads("npu", options, "An engine", "f32")


def test_a_serial_device_takes_no_number_of_threads() -> None:
    with pytest.raises(DeviceError, match="unknown option 'threads'"):
        on_threads("npu.serial", {"threads": "2"}, "An engine", "f32")
