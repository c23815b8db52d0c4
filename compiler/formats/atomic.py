"""Write files whole or not at all, and turn failures into errors that say what to do."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

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


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file beside `path` that takes its place when the block succeeds, and vanishes if not.

    What was at `path` before is there until the very end. Raises OutputError when the folder
    cannot be written or the disk is full.
    """
    temporary: Path | None = None
    try:
        with writing(path):
            with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
                temporary = Path(file.name)
            temporary.chmod(0o644)
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(path)
            temporary = None
            _sync_folder(path.parent)
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
