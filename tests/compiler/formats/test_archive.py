"""The container of a plan: aligned, readable by others, and refused unless it is whole."""

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stagecut.compiler.formats.archive import Archive, replacing, write_archive
from stagecut.compiler.ir.errors import OutputError, PlanError

MEMBERS: dict[str, bytes | Path] = {"a.json": b"{}", "weights.bin": b"\x01" * 5000, "empty": b""}


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "x.plan"
    write_archive(path, MEMBERS)
    return path


def test_members_begin_at_page_borders_and_read_back(plan: Path) -> None:
    archive = Archive(plan)
    archive.verify()
    for name, content in MEMBERS.items():
        assert archive.offset(name) % 4096 == 0
        assert archive.read(name) == content


def test_other_tools_can_read_it(plan: Path) -> None:
    with zipfile.ZipFile(plan) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == list(MEMBERS)


def test_the_same_members_give_the_same_bytes(plan: Path, tmp_path: Path) -> None:
    content = tmp_path / "content"
    content.write_bytes(b"\x01" * 5000)
    write_archive(tmp_path / "y.plan", {**MEMBERS, "weights.bin": content})
    assert (tmp_path / "y.plan").read_bytes() == plan.read_bytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bit_is_noticed(plan: Path, data: st.DataObject) -> None:
    good = plan.read_bytes()
    place = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[place] ^= 1 << data.draw(st.integers(0, 7))
    _expect_refusal(plan, bytes(bad))
    plan.write_bytes(good)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(data=st.data())
def test_any_cut_is_noticed(plan: Path, data: st.DataObject) -> None:
    good = plan.read_bytes()
    _expect_refusal(plan, good[: data.draw(st.integers(0, len(good) - 1))])
    plan.write_bytes(good)


def _expect_refusal(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(PlanError) as caught:
        Archive(path).verify()
    assert caught.value.fix


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/b", "..", "a\\b"])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "evil.plan"
    path.write_bytes(_zipped(name, zipfile.ZIP_STORED))
    with pytest.raises(PlanError, match="leads outside"):
        Archive(path)


def test_compressed_members_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "small.plan"
    path.write_bytes(_zipped("a", zipfile.ZIP_DEFLATED))
    with pytest.raises(PlanError, match="compressed"):
        Archive(path)


def _zipped(name: str, compression: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr(name, b"content")
    return buffer.getvalue()


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="No such file"):
        Archive(tmp_path / "nowhere.plan")


def test_replacing_keeps_the_old_file_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_text("old")
    with pytest.raises(OutputError, match="No space left"), replacing(path) as temporary:
        _write_half(temporary)
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["kept"]


def test_replacing_leaves_nothing_behind_when_interrupted(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "new"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_replacing_in_a_missing_folder_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No such file"), replacing(tmp_path / "no" / "new"):
        pytest.fail("the block must not run")


def _write_half(path: Path) -> None:
    path.write_text("half")
    raise OSError(28, "No space left on device")
