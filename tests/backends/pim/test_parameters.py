"""Device specs: any number of a preset can be replaced; nonsense is refused with the reason."""

from dataclasses import replace

import pytest

from stagecut import backends
from stagecut.backends.pim.device import PimBackend
from stagecut.backends.pim.hbm.model import HbmPim
from stagecut.compiler.ir.errors import DeviceError
from tests.support.hbm import GEOMETRY

NONSENSE = {
    "rows close before they are open": (
        "tRAS=10",
        "tRAS: 10 closes a row before tRCDRD = 14 opens it",
        "the preset has tRAS = 33",
    ),
    "rows open before they are closed": (
        "tRC=20",
        "tRC: 20 opens the next row before tRAS = 33 closes this",
        "the preset has tRC = 47",
    ),
    "a row that is held open for ever": (
        "tRAS=90,tRC=200",
        "tRAS: 90 holds rows back for longer than the model covers, which is 64 with the other "
        "numbers as they are",
        "the preset has tRAS = 33",
    ),
    "other bank groups are slower": (
        "tCCDS=5",
        "tCCDL: 4 is less than across bank groups, tCCDS = 5",
        "the preset has tCCDL = 4",
    ),
    "half a cycle": (
        "BL=3",
        "BL: 3 transfers, two a cycle, do not fill whole cycles",
        "the preset has BL = 4",
    ),
    "reads that come before writes": (
        "RL=2",
        "RL: 2 is less than WL = 8, which no DRAM has",
        "the preset has RL = 20",
    ),
    "nothing but refresh": (
        "tREFI=300",
        "tREFI: 300 leaves no time to work between refreshes",
        "the preset has tREFI = 3900",
    ),
    "a clock that stands": (
        "tCK_s=0",
        "tCK_s: a cycle of 0 s takes no time",
        "the preset has tCK_s = 1e-09",
    ),
    "no channels": ("channels=0", "channels: 0 is less than 1", "the preset has channels = 64"),
    "a bank without a neighbour": (
        "bank_groups=3,banks_per_group=3",
        "banks_per_group: 9 banks cannot be paired, two to a PIM block",
        "the preset has banks_per_group = 4",
    ),
    "half a lane": (
        "burst_bytes=31",
        "burst_bytes: 31 does not hold whole 16-bit lanes",
        "the preset has burst_bytes = 32",
    ),
    "a broken row": (
        "row_bytes=1000",
        "row_bytes: 1000 is not a multiple of burst_bytes",
        "the preset has row_bytes = 1024",
    ),
    "a row of several tiles": (
        "row_bytes=4096",
        "row_bytes: 4096 holds more than a tile, which is not modelled",
        "the preset has row_bytes = 1024",
    ),
    "registers that do not fit a row": (
        "registers=3",
        "registers: 3 do not divide a row of 32 bursts",
        "the preset has registers = 8",
    ),
    "time is gained": ("sync_s=-1", "sync_s: -1 would gain time", "the preset has sync_s = 1e-06"),
    "a host that never finishes": (
        "flush_bytes_per_s=0",
        "flush_bytes_per_s: nothing would ever finish at 0",
        "the preset has flush_bytes_per_s = 16000000000.0",
    ),
    "not a number": (
        "tCCDL=fast",
        "option tCCDL: 'fast' is not a whole number",
        "for example pim.hbm:tCCDL=4",
    ),
    "neither on nor off": (
        "refresh=maybe",
        "option refresh: 'maybe' is not one of off, on",
        "for example pim.hbm:refresh=off",
    ),
}


@pytest.mark.parametrize(("options", "problem", "fix"), NONSENSE.values(), ids=NONSENSE.keys())
def test_nonsense_is_refused_with_the_reason(options: str, problem: str, fix: str) -> None:
    with pytest.raises(DeviceError) as caught:
        backends.create(f"pim.hbm:{options}")
    error = caught.value
    assert (error.problem, error.where, error.fix) == (problem, "device pim.hbm", fix)


def test_an_unknown_number_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(DeviceError, match="unknown option 'tCCD'") as caught:
        backends.create("pim.hbm:tCCD=4")
    assert "did you mean 'tCCD" in caught.value.fix


def test_numbers_of_the_spec_replace_those_of_the_preset() -> None:
    architecture = _architecture("pim.hbm:channels=16,refresh=off,tCCDL=6,sync_s=0,tCK_s=8e-10")
    assert architecture.geometry == replace(GEOMETRY, channels=16)
    assert architecture.intervals.timing.tccdl == 6
    assert architecture.intervals.timing.tck_s == 8e-10
    assert not architecture.intervals.timing.refresh
    assert architecture.host.sync_s == 0


def test_capacity_is_that_of_all_channels_and_ranks() -> None:
    pseudo_channel_and_rank = 64 * 2**20
    assert _architecture("pim.hbm:channels=16").capacity_bytes == 16 * 2 * pseudo_channel_and_rank
    assert backends.create("pim.hbm").memory.capacity_bytes == 8 * 2**30


def _architecture(spec: str) -> HbmPim:
    backend = backends.create(spec)
    assert isinstance(backend, PimBackend)
    assert isinstance(backend.architecture, HbmPim)
    return backend.architecture
