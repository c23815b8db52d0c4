"""Write files whole or not at all, and turn failures into errors that say what to do."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stagecut.compiler.formats.working_folder import WorkingFolder
from stagecut.compiler.ir.errors import OutputError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns a failure to write `path` into an OutputError that says what to do."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot be written: {error.strerror or error}",
            where=str(path),
            fix="check that the folder exists, may be written to, and has room",
        ) from error


def working_folder(parent: Path | None = None) -> WorkingFolder:
    """A folder in `parent`, or in the system's own for such things; raises OutputError where it
    cannot be made."""
    with writing(parent or Path("temporary files")):
        return WorkingFolder(parent)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """The path of a new file, to be written in the block; it takes the place of `path` when the
    block succeeds, and vanishes if not.

    What was at `path` before is there until the very end. A symbolic link stays, and what it leads
    to is replaced; what is no file (a pipe, `/dev/null`) is written into. A new file has the
    permissions that are usual for the user, and one that was there keeps its own. Raises
    OutputError when the folder cannot be written or the disk is full.
    """
    with writing(path):
        there = check_replaceable(path)
        if there is not None and not stat.S_ISREG(there.st_mode):
            with WorkingFolder() as folder:
                yield folder / _NEW
                _pour(folder / _NEW, path)
            return
        target = path.resolve()
        with WorkingFolder(target.parent) as folder:
            yield folder / _NEW
            _replace(folder / _NEW, target, there)


#: The new file's name for now: the one it gets may be too long to add to.
_NEW = "new"


def check_replaceable(path: Path) -> os.stat_result | None:
    """What is at `path` now, links followed. Raises OSError for a folder, and for a file that its
    owner has protected, which renaming over it would not heed."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(there.st_mode):
        raise IsADirectoryError(0, "it is a folder")
    if not os.access(path, os.W_OK):
        raise PermissionError(0, "it is protected against writing")
    return there


def _pour(new: Path, path: Path) -> None:
    with new.open("rb") as source, path.open("wb") as target:
        shutil.copyfileobj(source, target)


def _replace(new: Path, target: Path, there: os.stat_result | None) -> None:
    if there is not None:
        new.chmod(stat.S_IMODE(there.st_mode))
    with new.open("rb") as written:
        os.fsync(written.fileno())
    new.replace(target)
    descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
