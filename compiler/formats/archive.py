"""The container of a plan: a zip file whose members can be mapped in place, sealed by a digest.

Members are STORED (not compressed) and begin at multiples of 4096 bytes. The zip's comment is the
SHA-256 of everything before it, so that one flipped bit anywhere is noticed. `unzip` works on it.
"""

import hashlib
import os
import shutil
import stat
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from stagecut.compiler.ir.errors import OutputError, PlanError

_ALIGNMENT = 4096
_LOCAL_HEADER_BYTES = 30
_ZIP64_EXTRA_BYTES = 20
#: Header id of a zip extra field that only pads; the one that Android's zipalign uses.
_PADDING_ID = 0xD935
_DIGEST_CHARACTERS = 64
_CHUNK_BYTES = 1 << 20
_FIX = "compile the plan again, or fetch the file anew"


def write_archive(path: Path, members: Mapping[str, bytes | Path]) -> None:
    """Write `members` (contents, or a file that holds them) to `path`; same members, same bytes."""
    with writing(path), path.open("w+b") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, content in members.items():
                _write_member(archive, file, name, content)
            archive.comment = b"0" * _DIGEST_CHARACTERS
        file.flush()
        digest = _digest(file, path.stat().st_size - _DIGEST_CHARACTERS)
        file.seek(-_DIGEST_CHARACTERS, os.SEEK_END)
        file.write(digest.encode("ascii"))
        file.flush()
        os.fsync(file.fileno())


def _write_member(
    archive: zipfile.ZipFile, file: IO[bytes], name: str, content: bytes | Path
) -> None:
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.create_system = 3
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    header = _LOCAL_HEADER_BYTES + len(name.encode()) + _ZIP64_EXTRA_BYTES
    padding = -(file.tell() + header) % _ALIGNMENT
    if 0 < padding < 4:  # an extra field has a header of four bytes
        padding += _ALIGNMENT
    if padding:
        length = padding - 4
        info.extra = _PADDING_ID.to_bytes(2, "little") + length.to_bytes(2, "little")
        info.extra += bytes(length)
    with archive.open(info, "w", force_zip64=True) as target:
        if isinstance(content, bytes):
            target.write(content)
        else:
            with content.open("rb") as source:
                shutil.copyfileobj(source, target, _CHUNK_BYTES)


def _digest(file: IO[bytes], length: int) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    while length > 0:
        chunk = file.read(min(_CHUNK_BYTES, length))
        digest.update(chunk)
        length -= len(chunk)
    return digest.hexdigest()


class Archive:
    """A file that `write_archive` wrote, its layout checked; `verify` checks its contents.

    Raises PlanError when it is missing, truncated, or not such an archive.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file, zipfile.ZipFile(file) as archive:
                self._seal = archive.comment.decode("ascii", "replace")
                self._members = {info.filename: info for info in archive.infolist()}
                for info in self._members.values():
                    _check_member(info, path)
                self._offsets = {
                    name: _data_offset(file, info) for name, info in self._members.items()
                }
        except OSError as error:
            raise PlanError(
                f"cannot be read: {error.strerror}", where=str(path), fix="check the path"
            ) from error
        except zipfile.BadZipFile as error:
            raise PlanError(
                "is not a plan file, or is cut short", where=str(path), fix=_FIX
            ) from error

    def verify(self) -> None:
        """Raise PlanError unless every byte is as it was written."""
        if len(self._seal) != _DIGEST_CHARACTERS:
            raise PlanError("is a zip file, but not a plan", where=str(self.path), fix=_FIX)
        with self.path.open("rb") as file:
            length = file.seek(0, os.SEEK_END) - _DIGEST_CHARACTERS
            if _digest(file, length) != self._seal:
                raise PlanError(
                    "is damaged: its contents do not match its SHA-256",
                    where=str(self.path),
                    fix=_FIX,
                )

    def names(self) -> tuple[str, ...]:
        return tuple(self._members)

    def offset(self, name: str) -> int:
        """Where the contents of a member begin in the file."""
        self._find(name)
        return self._offsets[name]

    def read(self, name: str) -> bytes:
        info = self._find(name)
        with self.path.open("rb") as file:
            file.seek(self._offsets[name])
            return file.read(info.file_size)

    def _find(self, name: str) -> zipfile.ZipInfo:
        try:
            return self._members[name]
        except KeyError:
            raise PlanError(f"has no member {name!r}", where=str(self.path), fix=_FIX) from None


def _check_member(info: zipfile.ZipInfo, path: Path) -> None:
    name = info.filename
    if "/" in name or "\\" in name or name in {"", ".", ".."}:
        raise PlanError(f"member {name!r} leads outside the plan", where=str(path), fix=_FIX)
    if info.compress_type != zipfile.ZIP_STORED:
        raise PlanError(
            f"member {name!r} is compressed and cannot be mapped", where=str(path), fix=_FIX
        )


def _data_offset(file: IO[bytes], info: zipfile.ZipInfo) -> int:
    file.seek(info.header_offset)
    header = file.read(_LOCAL_HEADER_BYTES)
    name_length = int.from_bytes(header[26:28], "little")
    extra_length = int.from_bytes(header[28:30], "little")
    return info.header_offset + _LOCAL_HEADER_BYTES + name_length + extra_length


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
