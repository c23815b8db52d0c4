"""Slices are fetched once, and never believed."""

from pathlib import Path

import pytest

from stagecut.compiler.ir.errors import PlanError
from stagecut.runtime.hosts.cache import PIECE_BYTES, fetched, slice_id

CONTENT = bytes(range(256)) * (PIECE_BYTES // 256) + b"the end"


class _Far:
    """The host that has it."""

    def __init__(self, content: bytes = CONTENT) -> None:
        self.content = content
        self.asked = 0

    def __call__(self, offset: int, length: int) -> bytes:
        self.asked += 1
        return self.content[offset : offset + length]


@pytest.fixture
def original(tmp_path: Path) -> Path:
    path = tmp_path / "original"
    path.write_bytes(CONTENT)
    return path


def test_it_is_fetched_piece_by_piece_and_only_once(tmp_path: Path, original: Path) -> None:
    far = _Far()
    wanted = slice_id(original)
    for _ in range(2):
        path = fetched(tmp_path / "cache", wanted, far)
        assert path.read_bytes() == CONTENT
    assert far.asked == 2  # pieces
    assert path.name == f"{wanted.sha256}.slice"


def test_what_is_damaged_is_fetched_anew(tmp_path: Path, original: Path) -> None:
    far, wanted = _Far(), slice_id(original)
    path = fetched(tmp_path / "cache", wanted, far)
    path.write_bytes(b"something else")
    assert fetched(tmp_path / "cache", wanted, far).read_bytes() == CONTENT
    assert far.asked == 4


def test_what_arrives_as_something_else_is_refused(tmp_path: Path, original: Path) -> None:
    with pytest.raises(PlanError, match="SHA-256"):
        fetched(tmp_path / "cache", slice_id(original), _Far(CONTENT[::-1]))
    assert not [*(tmp_path / "cache").glob("*")]


def test_without_room_on_disk_it_is_kept_in_memory(tmp_path: Path, original: Path) -> None:
    (tmp_path / "cache").write_text("a file in the folder's place")
    path = fetched(tmp_path / "cache", slice_id(original), _Far())
    assert path.read_bytes() == CONTENT
    assert path.is_relative_to("/proc/self/fd")
