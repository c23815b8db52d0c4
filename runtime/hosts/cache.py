"""Slices of plans in a folder of each host, by their SHA-256: fetched once, and never believed.

kept and whole                 used where it lies
missing, or damaged            fetched piece by piece, checked, put in its place
no room for it                 fetched into memory
"""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from stagecut.compiler.formats.atomic import replacing, writing
from stagecut.compiler.ir.errors import OutputError, PlanError

#: How much is asked for at a time.
PIECE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class SliceId:
    """What a host is told of a slice before it has it."""

    sha256: str
    size_bytes: int


def slice_id(path: Path) -> SliceId:
    return SliceId(_digest(path), path.stat().st_size)


def fetched(folder: Path, wanted: SliceId, read: Callable[[int, int], bytes]) -> Path:
    """The path of the slice in `folder`, or of a file in memory where that has no room. `read`
    gives so many bytes of it from an offset on.

    Raises PlanError where what arrives is something else, OutputError where there is no memory
    either.
    """
    path = folder / f"{wanted.sha256}.slice"
    with suppress(OSError):  # it cannot be read: another is fetched
        if path.is_file() and _digest(path) == wanted.sha256:
            return path
    try:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as new, writing(path), new.open("wb") as file:
            _fetch(wanted, read, file)
    except OutputError:
        return _in_memory(wanted, read)
    return path


def _in_memory(wanted: SliceId, read: Callable[[int, int], bytes]) -> Path:
    """Gone with the process."""
    descriptor = os.memfd_create(f"stagecut {wanted.sha256}")
    path = Path(f"/proc/self/fd/{descriptor}")
    with writing(path), open(descriptor, "wb", closefd=False) as file:
        _fetch(wanted, read, file)
    return path


def _fetch(wanted: SliceId, read: Callable[[int, int], bytes], file: IO[bytes]) -> None:
    total = hashlib.sha256()
    for offset in range(0, wanted.size_bytes, PIECE_BYTES):
        piece = read(offset, min(PIECE_BYTES, wanted.size_bytes - offset))
        total.update(piece)
        file.write(piece)
    if total.hexdigest() != wanted.sha256:
        raise PlanError(
            "is not what was to be sent: its SHA-256 is another",
            where=f"slice {wanted.sha256}",
            fix="compile the plan again, and start the session anew",
        )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
