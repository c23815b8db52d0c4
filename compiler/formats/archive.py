"""The container of a plan: a zip file whose members can be mapped in place, sealed by a digest.

Members are STORED (not compressed) and begin at multiples of 4096 bytes. The zip's comment is the
SHA-256 of everything before it, so that one flipped bit anywhere is noticed. `unzip` works on it.
"""

import hashlib
import os
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from stagecut.compiler.formats.atomic import writing
from stagecut.compiler.formats.kept_file import KeptFile
from stagecut.compiler.ir.errors import PlanError

_ALIGNMENT = 4096
_LOCAL_HEADER_BYTES = 30
_HEADER = b"PK\x03\x04"  #: What it begins with.
_ZIP64_EXTRA_BYTES = 20
#: Header id of a zip extra field that only pads; the one that Android's zipalign uses.
_PADDING_ID = 0xD935
_DIGEST_CHARACTERS = 64
_END = b"PK\x05\x06"  #: What the last record of a zip file begins with.
_END_BYTES = 22
_CHUNK_BYTES = 1 << 20
#: Looking whether a file is as it was takes 2 to 5 µs, a good part of a run of so small a model.
_COPIED_BYTES = 4 << 20
_FIX = "compile the plan again, or fetch the file anew"


class ArchiveWriter:
    """An archive being written, member by member: what is written can be mapped at once, the seal
    comes last. A context that is left before then leaves a file that is no archive.

    Same members, same bytes. Raises OutputError when the disk is full, or the folder is gone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        #: SHA-256 of each member so far, and how many bytes it has.
        self.digests: dict[str, str] = {}
        self.sizes: dict[str, int] = {}
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
        self.digests[name], self.sizes[name] = writer.digest.hexdigest(), writer.size

    def add(self, name: str, content: bytes) -> None:
        with self.member(name) as target:
            target.write(content)

    def seal(self) -> None:
        """Close the archive; nothing can be added any more. It need not be on the disk yet: whoever
        gives it its place sees to that (atomic.py)."""
        with writing(self.path), self._file as file:
            self._archive.comment = b"0" * _DIGEST_CHARACTERS
            self._archive.close()
            file.flush()
            length = self.path.stat().st_size - _DIGEST_CHARACTERS
            digest = _sha256(_chunks(partial(_read, file), 0, length))
            file.seek(-_DIGEST_CHARACTERS, os.SEEK_END)
            file.write(digest.encode("ascii"))


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


def _read(file: IO[bytes], offset: int, length: int) -> bytes:
    return os.pread(file.fileno(), length, offset)


def _chunks(read: Callable[[int, int], bytes], offset: int, length: int) -> Iterator[bytes]:
    """That part of a file, which `read` reads from an offset on, some at a time."""
    for at in range(offset, offset + length, _CHUNK_BYTES):
        yield read(at, min(_CHUNK_BYTES, offset + length - at))


def _sha256(chunks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class _Member:
    """Where a member lies in the file: its header from `begin` on, its contents from `offset`."""

    name: str
    begin: int
    offset: int
    size: int

    @property
    def end(self) -> int:
        return self.offset + self.size


class Archive:
    """A file that `write_archive` wrote; `verify` checks that it is so, byte for byte.

    The file is kept open: what is read and mapped is what was checked, even where its path is
    replaced or removed afterwards. `folder` is kept for as long as the archive is: where the file
    is temporary, it may go then. Raises PlanError when the file is missing, truncated, or not such
    an archive.
    """

    def __init__(self, path: Path, folder: object = None) -> None:
        self.path = path
        self._folder = folder
        try:
            self._file = KeptFile(path, _COPIED_BYTES)
            with zipfile.ZipFile(self._file.stream) as archive:
                self._seal = archive.comment.decode("ascii", "replace")
                self._directory = archive.start_dir
                found = [_member(info, self._file) for info in archive.infolist()]
        except OSError as error:
            raise PlanError(
                f"cannot be read: {error.strerror}", where=str(path), fix="check the path"
            ) from error
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError) as error:
            # a later version of the format, a name that is no UTF-8, an offset that no file has
            raise PlanError(
                "is not a plan file, or is cut short", where=str(path), fix=_FIX
            ) from error
        self._members = {member.name: member for member in found}
        if len(self._members) < len(found):
            raise PlanError("has two members of one name", where=str(path), fix=_FIX)

    def verify(self) -> None:
        """Raise PlanError unless every byte is as it was written, and belongs to one member, to its
        header, or to the directory behind them."""
        end_record = self._file.size - _DIGEST_CHARACTERS - _END_BYTES
        if len(self._seal) != _DIGEST_CHARACTERS or self._file.read(end_record, 4) != _END:
            raise PlanError("is a zip file, but not a plan", where=str(self.path), fix=_FIX)
        members = sorted(self._members.values(), key=lambda member: member.begin)
        ends = [0, *(member.end for member in members)]
        begins = [*(member.begin for member in members), self._directory]
        if begins != ends or any(member.offset % _ALIGNMENT for member in members):
            raise PlanError(
                "has members that overlap, or bytes that belong to none",
                where=str(self.path),
                fix=_FIX,
            )
        if not self._matches_its_seal():
            raise PlanError(
                "is damaged: its contents do not match its SHA-256",
                where=str(self.path),
                fix=_FIX,
            )

    def check_unchanged(self) -> None:
        """Raise PlanError where the file was changed in place since it was opened."""
        self._file.check(self._matches_its_seal)

    @property
    def can_change(self) -> bool:
        """Whether somebody may write into what was opened."""
        return self._file.can_change

    def names(self) -> tuple[str, ...]:
        return tuple(self._members)

    def size(self, name: str) -> int:
        """How many bytes the contents of a member are."""
        return self._find(name).size

    def digest(self, name: str) -> str:
        """The SHA-256 of the contents of a member."""
        member = self._find(name)
        return _sha256(_chunks(self._file.read, member.offset, member.size))

    def read(self, name: str) -> bytes:
        """The contents of a member; raises PlanError where the file was changed in place."""
        member = self._find(name)
        content = self._file.read(member.offset, member.size)
        self.check_unchanged()
        return content

    def mapped(self, name: str) -> memoryview:
        """The contents of a member where they lie, read when needed."""
        member = self._find(name)
        return self._file.mapped[member.offset : member.offset + member.size]

    def let_go(self) -> None:
        """Of what has been read of the members that are mapped: it comes back where it is needed.
        Only where nothing was written there."""
        self._file.let_go()

    def copy_to(self, path: Path) -> None:
        """Write the whole archive to `path`, where nothing is yet.

        One that will go with its folder only gets a second name, where the file system can do that.
        """
        if self._folder is not None:
            try:
                os.link(self.path, path)
            except OSError:
                pass
            else:
                return
        with path.open("wb") as target:
            for chunk in _chunks(self._file.read, 0, self._file.size):
                target.write(chunk)
        self.check_unchanged()

    def _find(self, name: str) -> _Member:
        try:
            return self._members[name]
        except KeyError:
            raise PlanError(f"has no member {name!r}", where=str(self.path), fix=_FIX) from None

    def _matches_its_seal(self) -> bool:
        sealed = _chunks(self._file.read, 0, self._file.size - _DIGEST_CHARACTERS)
        return _sha256(sealed) == self._seal


def _member(info: zipfile.ZipInfo, file: KeptFile) -> _Member:
    _check_member(info, file.path)
    begin = info.header_offset
    return _Member(info.filename, begin, begin + _header_bytes(file, info), info.file_size)


def _check_member(info: zipfile.ZipInfo, path: Path) -> None:
    name = info.filename
    if "/" in name or "\\" in name or name in {"", ".", ".."}:
        raise PlanError(f"member {name!r} leads outside the plan", where=str(path), fix=_FIX)
    if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
        raise PlanError(
            f"member {name!r} is compressed and cannot be mapped", where=str(path), fix=_FIX
        )


def _header_bytes(file: KeptFile, info: zipfile.ZipInfo) -> int:
    """How long the header before a member's contents is; it must name the same member."""
    header = file.read(info.header_offset, _LOCAL_HEADER_BYTES)
    name_bytes = int.from_bytes(header[26:28], "little")
    extra_bytes = int.from_bytes(header[28:30], "little")
    name = file.read(info.header_offset + _LOCAL_HEADER_BYTES, name_bytes)
    if header[:4] != _HEADER or name != info.filename.encode():
        raise PlanError(
            f"member {info.filename!r} does not lie where the directory has it",
            where=str(file.path),
            fix=_FIX,
        )
    return _LOCAL_HEADER_BYTES + name_bytes + extra_bytes
