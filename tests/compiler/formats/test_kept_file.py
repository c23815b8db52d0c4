"""A file by its descriptor: its path does not matter, what is written into it does."""

import errno
import os
from pathlib import Path

import pytest

from stagecut.compiler.formats.kept_file import KeptFile, map_part, place_of
from stagecut.compiler.ir.errors import PlanError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "x"
    path.write_bytes(b"0123456789")
    return path


def test_it_is_read_and_mapped_when_its_path_is_gone(path: Path) -> None:
    kept = KeptFile(path)
    path.unlink()
    path.write_bytes(b"another")
    assert kept.size == 10
    assert kept.read(2, 3) == b"234"
    assert kept.read(8, 100) == b"89"
    assert bytes(kept.mapped) == b"0123456789"
    kept.check(lambda: False)


def test_a_small_one_is_copied_and_then_nothing_happens_to_it(path: Path) -> None:
    kept, too_large = KeptFile(path, copied_bytes=10), KeptFile(path, copied_bytes=9)
    assert (kept.can_change, too_large.can_change) == (False, True)
    path.write_bytes(b"other")
    kept.check(lambda: False)
    assert bytes(kept.mapped) == kept.read(0, kept.size) == b"0123456789"
    assert kept.stream.read(3) == b"012"
    with pytest.raises(PlanError, match="changed in place"):
        too_large.check(lambda: False)


def test_where_no_file_can_be_in_memory_it_is_kept_itself(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> int:
        raise PermissionError(f"{name} may not be made")

    monkeypatch.setattr(os, "memfd_create", refuse)
    kept = KeptFile(path, copied_bytes=10)
    assert kept.can_change
    assert kept.read(0, 10) == b"0123456789"


def test_a_map_that_is_locked_in_memory_stays(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = KeptFile(path)
    assert bytes(kept.mapped[:3]) == b"012"

    def refuse(*_: object) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(type(kept.mapped.obj), "madvise", refuse, raising=False)
    kept.let_go()
    assert bytes(kept.mapped) == b"0123456789"


@pytest.mark.parametrize("copied_bytes", [0, 10])
def test_what_was_read_of_the_map_comes_back(path: Path, copied_bytes: int) -> None:
    kept = KeptFile(path, copied_bytes)
    kept.let_go()  # where nothing is mapped yet
    assert bytes(kept.mapped) == b"0123456789"
    kept.let_go()
    assert bytes(kept.mapped) == b"0123456789"


def test_what_is_written_to_the_map_stays_in_this_process(path: Path) -> None:
    kept = KeptFile(path)
    kept.mapped[0] = 65
    assert bytes(kept.mapped[:2]) == b"A1"
    assert path.read_bytes()[:2] == b"01"


def test_an_empty_file_is_mapped_as_nothing(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    assert len(KeptFile(tmp_path / "x").mapped) == 0


@pytest.mark.parametrize("same", [True, False])
def test_other_contents_are_noticed_by_time_and_size(path: Path, same: bool) -> None:
    kept = KeptFile(path)
    os.utime(path, (1, 1))
    if same:
        kept.check(lambda: True)
        kept.check(lambda: False)  # which is not asked again
    else:
        with pytest.raises(PlanError, match="changed in place"):
            kept.check(lambda: False)


def test_another_size_needs_no_look_at_the_contents(path: Path) -> None:
    kept = KeptFile(path)
    os.truncate(path, 3)
    with pytest.raises(PlanError, match="changed in place"):
        kept.check(lambda: True)


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(OSError, match=r"Not a regular file|Is a directory"):
            KeptFile(path)


def test_a_part_is_found_again_through_its_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(5000) + b"0123456789")
    region = KeptFile(path).mapped[5002:5008]  # which keeps the file open
    path.unlink()
    descriptor, offset = place_of(region)
    assert offset == 5002
    again = map_part(descriptor, offset, len(region))
    assert bytes(again) == bytes(region) == b"234567"
    again[0] = 65
    assert bytes(region) == b"234567"


def test_other_memory_is_no_part_of_a_file() -> None:
    with pytest.raises(TypeError):
        place_of(memoryview(b"123"))
