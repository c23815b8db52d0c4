"""Files are read to their end, and what has none is not read for ever."""

import errno
import os
import threading
import tracemalloc
from pathlib import Path

import pytest

from stagecut.compiler.formats.assignment_json import read_assignment
from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.formats.machine_json import read_machine
from stagecut.compiler.formats.whole_file import MOST_BYTES, read_whole
from stagecut.compiler.ir.errors import StagecutError


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    assert read_whole(path) == b"abc"


def test_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(b"abc" * 50_000,))
    writer.start()
    assert read_whole(path) == b"abc" * 50_000
    writer.join()


def test_a_device_without_end() -> None:
    with pytest.raises(OSError, match="too large") as caught:
        read_whole(Path("/dev/zero"))
    assert caught.value.errno == errno.EFBIG


def test_no_more_memory_than_the_file_takes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc" * 100_000)
    tracemalloc.start()
    read_whole(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2_000_000


def test_a_hole_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "hole"
    path.touch()
    os.truncate(path, MOST_BYTES + 1)
    with pytest.raises(OSError, match="too large"):
        read_whole(path)


@pytest.mark.parametrize("read", [read_costs, read_assignment, read_machine])
def test_readers_say_so(read: object, tmp_path: Path) -> None:
    path = tmp_path / "hole.json"
    path.touch()
    os.truncate(path, 2**40)
    with pytest.raises(StagecutError, match="too large"):
        read(path)  # type: ignore[operator]
