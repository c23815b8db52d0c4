"""Folders for working files, which go with the process that works in them, however it ends.

Each holds a file that its process keeps locked. The system takes the lock away when the process is
gone, killed or not; whoever next makes such a folder beside it finds it unlocked, and removes it.
Nothing is concluded from process numbers, which mean nothing on another host or in a container.
"""

import fcntl
import os
import secrets
import shutil
import stat
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path

_PREFIX = ".stagecut-working-"
_LOCK = "lock"


class WorkingFolder:
    """A new folder in `parent`, or where the system keeps temporary files; as a context, or until
    it is collected. Raises OSError where it cannot be made.

    What processes that are dead left in `parent` is removed on the way.
    """

    def __init__(self, parent: Path | None = None) -> None:
        place = Path(tempfile.gettempdir()) if parent is None else parent
        remove_abandoned(place)
        self.path, lock = _locked(place)
        self._finish = weakref.finalize(self, _finish, self.path, lock, os.getpid())

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *error: object) -> None:
        self._finish()


def remove_abandoned(parent: Path) -> None:
    """Remove the working folders in `parent` whose processes are gone; others', and whatever
    cannot be removed, stay."""
    for path in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            _remove_if_abandoned(path)


def _locked(parent: Path) -> tuple[Path, int]:
    """Made and locked. In between, another process may take it for abandoned: then a new one."""
    while True:
        folder = parent / f"{_PREFIX}{secrets.token_hex(8)}"
        folder.mkdir(0o700)
        with suppress(FileNotFoundError, BlockingIOError):
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            _lock(lock)
            if (folder / _LOCK).exists():
                return folder, lock
            os.close(lock)


def _lock(descriptor: int) -> None:
    """Raises BlockingIOError where another has it; a file system without locks does without."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:
        pass


def _remove_if_abandoned(folder: Path) -> None:
    there = folder.lstat()
    if not stat.S_ISDIR(there.st_mode) or there.st_uid != os.geteuid():
        return  # a link to a folder that somebody needs, or somebody else's business
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:  # its process was killed before it could make one
        folder.rmdir()
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails where somebody works there
        _remove(folder)
    finally:
        os.close(lock)


def _finish(folder: Path, lock: int, process: int) -> None:
    if os.getpid() == process:  # a child of the one that made it must not remove it
        _remove(folder)
        os.close(lock)


def _remove(folder: Path) -> None:
    """The lock last: without it, nobody would finish what is interrupted here."""
    for path in folder.iterdir():
        if path.name == _LOCK:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
    shutil.rmtree(folder, ignore_errors=True)
