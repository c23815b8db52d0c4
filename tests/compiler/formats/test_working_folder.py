"""Working folders go with their process; what a killed one left, the next start removes."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stagecut.compiler.formats import working_folder
from stagecut.compiler.formats.working_folder import WorkingFolder, remove_abandoned

_HOLD = """
import sys
from pathlib import Path
from stagecut.compiler.formats.working_folder import WorkingFolder
folder = WorkingFolder(Path(sys.argv[1]))
(folder.path / "below").mkdir()
(folder.path / "below" / "weights").write_text("many")
(folder.path / "plan").write_text("half")
print(folder.path, flush=True)
sys.stdin.read()
"""


def _held(parent: Path) -> "tuple[subprocess.Popen[str], Path]":
    """A process that works in a folder of its own in `parent`, until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(parent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    return process, Path(process.stdout.readline().strip())


def test_a_folder_goes_with_its_block(tmp_path: Path) -> None:
    with WorkingFolder(tmp_path) as folder:
        (folder / "file").write_text("")
        (folder / "folder").mkdir()
        (folder / "link").symlink_to(tmp_path)
        assert folder.parent == tmp_path
    assert tmp_path.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_goes_when_it_is_collected(tmp_path: Path) -> None:
    folder = WorkingFolder(tmp_path)
    assert folder.path.is_dir()
    del folder
    assert list(tmp_path.iterdir()) == []


def test_a_child_leaves_the_folder_to_its_parent(tmp_path: Path) -> None:
    with WorkingFolder(tmp_path) as folder:
        working_folder._finish(folder, -1, process=-1)
        assert folder.is_dir()


def test_what_a_killed_process_left_is_removed_and_others_stay(tmp_path: Path) -> None:
    alive, its_own = _held(tmp_path)
    dead, left = _held(tmp_path)
    with alive, dead:
        dead.send_signal(signal.SIGKILL)
        dead.wait()
        assert (left / "below" / "weights").exists()
        with WorkingFolder(tmp_path) as folder:
            assert not left.exists()
            assert (its_own / "plan").read_text() == "half"
            assert folder.is_dir()
        assert alive.stdin
        alive.stdin.close()
        assert alive.wait() == 0
    assert list(tmp_path.iterdir()) == []


def test_nothing_but_such_folders_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".stagecut-working-file").write_text("a file")
    (tmp_path / ".stagecut-working-mine").mkdir()
    (tmp_path / ".stagecut-working-mine" / "file").write_text("no lock beside it")
    (tmp_path / ".stagecut-settings").mkdir()
    (tmp_path / ".stagecut-working-empty").mkdir()  # killed between its first two steps
    remove_abandoned(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".stagecut-settings",
        ".stagecut-working-file",
        ".stagecut-working-mine",
    ]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "needed").mkdir()
    (tmp_path / "needed" / "lock").write_text("")
    (tmp_path / ".stagecut-working-trap").symlink_to(tmp_path / "needed")
    remove_abandoned(tmp_path)
    assert (tmp_path / "needed" / "lock").exists()


def test_a_folder_that_is_taken_for_abandoned_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process clears up just between two steps of this one."""
    really_locked, really_open = working_folder._lock, os.open

    def removed_before_the_lock(descriptor: int) -> None:
        monkeypatch.setattr(working_folder, "_lock", really_locked)
        shutil.rmtree(next(tmp_path.iterdir()))
        really_locked(descriptor)

    def removed_before_it_is_opened(path: Path, flags: int, mode: int = 0o777) -> int:
        monkeypatch.setattr(os, "open", really_open)
        monkeypatch.setattr(working_folder, "_lock", removed_before_the_lock)
        path.parent.rmdir()
        return os.open(path, flags, mode)

    monkeypatch.setattr(os, "open", removed_before_it_is_opened)
    with WorkingFolder(tmp_path) as folder:
        assert [*tmp_path.iterdir()] == [folder]


def test_a_folder_being_removed_is_not_worked_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = iter([BlockingIOError(), None])
    monkeypatch.setattr(fcntl, "flock", lambda *_: _raised(next(asked)))
    with WorkingFolder(tmp_path) as folder:
        assert len([*tmp_path.iterdir()]) == 2
        assert folder.is_dir()


def test_a_file_system_without_locks_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda *_: _raised(OSError(95, "no")))
    with WorkingFolder(tmp_path) as folder:
        remove_abandoned(tmp_path)
        assert folder.is_dir()


def _raised(error: OSError | None) -> None:
    if error is not None:
        raise error
