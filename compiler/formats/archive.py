"""The container of a plan: a zip file whose members can be mapped in place, sealed by a digest.

Members are STORED (not compressed) and begin at multiples of 4096 bytes. The zip's comment is the
SHA-256 of everything before it, so that one flipped bit anywhere is noticed. `unzip` works on it.
"""

import hashlib
import os
import stat
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from stagecut.compiler.formats.atomic import writing
from stagecut.compiler.ir.errors import PlanError

_ALIGNMENT = 4096
_LOCAL_HEADER_BYTES = 30
_ZIP64_EXTRA_BYTES = 20
#: Header id of a zip extra field that only pads; the one that Android's zipalign uses.
_PADDING_ID = 0xD935
_DIGEST_CHARACTERS = 64
_CHUNK_BYTES = 1 << 20
_FIX = "compile the plan again, or fetch the file anew"


class ArchiveWriter:
    """An archive being written, member by member: what is written can be mapped at once, the seal
    comes last. A context that is left before then leaves a file that is no archive.

    Same members, same bytes. Raises OutputError when the disk is full, or the folder is gone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        #: SHA-256 of each member so far.
        self.digests: dict[str, str] = {}
        with writing(path):
            self._file = path.open("w+b")
            self._archive = zipfile.ZipFile(self._file, "w", zipfile.ZIP_STORED)

    def __enter__(self) -> "ArchiveWriter":
        return self

    def __exit__(self, *error: object) -> None:
        """Close it here, or Python will when it is collected, and complain on standard error."""
        with suppress(OSError, ValueError):
            self._archive.close()
        with suppress(OSError):
            self._file.close()

    @contextmanager
    def member(self, name: str) -> Iterator["MemberWriter"]:
        """What the block writes becomes the member `name`."""
        info = _header(name, self._file.tell())
        with writing(self.path):
            with self._archive.open(info, "w", force_zip64=True) as target:
                writer = MemberWriter(target, _data_offset_of(info))
                yield writer
            self._file.flush()
        self.digests[name] = writer.digest.hexdigest()

    def add(self, name: str, content: bytes) -> None:
        with self.member(name) as target:
            target.write(content)

    def seal(self) -> None:
        """Close the archive; nothing can be added any more."""
        with writing(self.path), self._file as file:
            self._archive.comment = b"0" * _DIGEST_CHARACTERS
            self._archive.close()
            file.flush()
            digest = _digest(file, self.path.stat().st_size - _DIGEST_CHARACTERS)
            file.seek(-_DIGEST_CHARACTERS, os.SEEK_END)
            file.write(digest.encode("ascii"))
            file.flush()
            os.fsync(file.fileno())


class MemberWriter:
    """Writes to one member, which begins at `offset` in the file."""

    def __init__(self, target: IO[bytes], offset: int) -> None:
        self._target = target
        self.offset = offset
        self.size = 0
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> None:
        self._target.write(data)
        self.digest.update(data)
        self.size += len(data)


def write_archive(path: Path, members: Mapping[str, bytes]) -> None:
    """Write `members` to `path`; same members, same bytes."""
    with ArchiveWriter(path) as writer:
        for name, content in members.items():
            writer.add(name, content)
        writer.seal()


def _header(name: str, at: int) -> zipfile.ZipInfo:
    """The header of a member that begins at a multiple of the alignment, for a header at `at`."""
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.create_system = 3
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    info.header_offset = at
    header = _LOCAL_HEADER_BYTES + len(name.encode()) + _ZIP64_EXTRA_BYTES
    padding = -(at + header) % _ALIGNMENT
    if 0 < padding < 4:  # an extra field has a header of four bytes
        padding += _ALIGNMENT
    if padding:
        length = padding - 4
        info.extra = _PADDING_ID.to_bytes(2, "little") + length.to_bytes(2, "little")
        info.extra += bytes(length)
    return info


def _data_offset_of(info: zipfile.ZipInfo) -> int:
    """Where the contents of a member begin whose header was made above."""
    header = _LOCAL_HEADER_BYTES + len(info.filename.encode()) + _ZIP64_EXTRA_BYTES
    return -(-(info.header_offset + header) // _ALIGNMENT) * _ALIGNMENT


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

    `folder` is kept for as long as the archive is: where the file is temporary, it may go then.
    Raises PlanError when the file is missing, truncated, or not such an archive.
    """

    def __init__(self, path: Path, folder: object = None) -> None:
        self.path = path
        self._folder = folder
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

    def size(self, name: str) -> int:
        """How many bytes the contents of a member are."""
        return self._find(name).file_size

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
