"""The container of a plan: aligned, readable by others, and refused unless it is whole."""

import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stagecut.compiler.formats.archive import Archive, ArchiveWriter, write_archive
from stagecut.compiler.ir.errors import PlanError

MEMBERS = {"a.json": b"{\x00}", "weights.bin": b"\x01" * 5000, "empty": b""}


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "x.plan"
    write_archive(path, MEMBERS)
    return path


def test_members_begin_at_page_borders_and_read_back(plan: Path) -> None:
    archive = Archive(plan)
    archive.verify()
    for name, content in MEMBERS.items():
        assert plan.read_bytes().index(content) % 4096 == 0
        assert archive.read(name) == content
        assert archive.mapped(name) == content


def test_other_tools_can_read_it(plan: Path) -> None:
    with zipfile.ZipFile(plan) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == list(MEMBERS)


def test_the_same_members_give_the_same_bytes_however_they_are_written(
    plan: Path, tmp_path: Path
) -> None:
    writer = ArchiveWriter(tmp_path / "y.plan")
    for name, content in MEMBERS.items():
        with writer.member(name) as member:
            for at in range(0, len(content), 999):
                member.write(content[at : at + 999])
        assert member.size == len(content)
        assert writer.digests[name] == hashlib.sha256(content).hexdigest()
        mapped = writer.path.read_bytes()[member.offset :][: member.size]
        assert mapped == content  # before the archive is whole
    writer.seal()
    assert (tmp_path / "y.plan").read_bytes() == plan.read_bytes()


def test_a_full_disk_is_told_and_nothing_else(tmp_path: Path) -> None:
    code = """
import resource, sys
from pathlib import Path
from stagecut.compiler.formats.archive import write_archive
from stagecut.compiler.ir.errors import OutputError
resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))
try:
    write_archive(Path(sys.argv[1]), {"a": bytes(9000), "b": bytes(90000)})
except OutputError as error:
    print(error.problem)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "x.plan")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("cannot be written: File too large\n", "")


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


def test_an_offset_that_no_file_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "far.plan"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"content")
        archive.filelist[0].header_offset = 2**64 - 1
    with pytest.raises(PlanError, match="is not a plan file"):
        Archive(path)


def _zipped(name: str, compression: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr(name, b"content")
    return buffer.getvalue()


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="No such file"):
        Archive(tmp_path / "nowhere.plan")
