"""Packages with devices: those whose metadata cannot be read hide no others."""

from pathlib import Path

import pytest

from stagecut import backends
from stagecut.backends.packages import packages


def _package(folder: Path, name: str, entries: bytes, metadata: str | None = None) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(metadata or f"Metadata-Version: 2.1\nName: {name}\n")
    (info / "entry_points.txt").write_bytes(entries)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """On the path, with a package that is whole."""
    _package(tmp_path, "whole", b"[stagecut.backends]\nnpu = npu:create\n")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


#: What stands in a package's file of entry points, and what is said of it.
BROKEN = {
    "no text": (b"\xff\xfe[stagecut.backends]\n", "can't decode byte 0xff"),
    "a line without a value": (b"[stagecut.backends]\nnpu\n", "missing 1 required"),
}


@pytest.mark.parametrize(("entries", "why"), BROKEN.values(), ids=BROKEN.keys())
def test_a_package_that_cannot_be_read_hides_no_other(
    place: Path, entries: bytes, why: str
) -> None:
    assert packages().factories["npu"] == "npu:create"
    assert not packages().broken
    _package(place, "broken", entries)
    assert packages().factories["npu"] == "npu:create"
    assert why in packages().broken["broken"]
    listed = {each.name: each for each in backends.listed()}
    assert why in listed["broken"].why_not
    assert not listed["broken"].available
    assert listed["cpu.serial"].available
    assert any("broken left out: its entry points" in told for told in backends.left_out())


def test_one_that_has_no_devices_is_not_told_of(place: Path) -> None:
    _package(place, "others", b"[console_scripts]\nnothing\n")
    assert packages().factories["npu"] == "npu:create"
    assert not packages().broken


def test_the_first_on_the_path_is_taken(
    place: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = tmp_path_factory.mktemp("earlier")
    _package(earlier, "whole", b"[stagecut.backends]\nnpu = earlier:create\n")
    monkeypatch.syspath_prepend(earlier)
    assert packages().factories["npu"] == "earlier:create"
    _package(place, "broken", b"[stagecut.backends]\nnpu\n")
    assert packages().factories["npu"] == "earlier:create"
