"""A file that is kept open: read and mapped by its descriptor, whatever becomes of its path.

open("a.plan")  ->  the file itself     a.plan replaced or removed: goes on with the same bytes
                                        written to or cut short in place: is noticed
                    or a copy of it     whatever is done to a.plan: goes on with the same bytes
"""

import errno
import mmap
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import IO

import numpy as np

from stagecut.compiler.ir.errors import PlanError


class KeptFile:
    """The file that lay at `path` when this was made; open for as long as this is. With
    `copied_bytes`, one of no more bytes than that is copied into memory instead, where there are
    files in memory.

    Raises OSError where it cannot be opened, and for what is no regular file.
    """

    def __init__(self, path: Path, copied_bytes: int = 0) -> None:
        self.path = path
        #: Without waiting for the other end, should it be a pipe.
        self._file: IO[bytes] = open(  # noqa: SIM115  # kept open
            path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)
        )
        state = os.fstat(self._file.fileno())
        if not stat.S_ISREG(state.st_mode):
            self._file.close()
            raise OSError(errno.EINVAL, "Not a regular file")
        copy = _in_memory(self._file) if state.st_size <= copied_bytes else None
        #: Whether it may be written to while it is open here.
        self.can_change = copy is None
        if copy is not None:
            self._file.close()
            self._file = copy
            state = os.fstat(copy.fileno())
        self._noted = (state.st_mtime_ns, state.st_size)

    @property
    def stream(self) -> IO[bytes]:
        """For readers that seek; not to be shared by threads."""
        return self._file

    @property
    def size(self) -> int:
        """As it was when the file was opened."""
        return self._noted[1]

    def read(self, offset: int, length: int) -> bytes:
        """Fewer bytes where the file ends; from any thread."""
        descriptor, parts = self._file.fileno(), []
        while length > 0:
            part = os.pread(descriptor, min(length, 1 << 30), offset)
            if not part:
                break
            parts.append(part)
            offset, length = offset + len(part), length - len(part)
        return b"".join(parts)

    @cached_property
    def mapped(self) -> memoryview:
        """All of it, in place and read when needed; what is written there stays in this process."""
        if not self.size:
            return memoryview(b"")
        mapping = _Mapping(self._file.fileno(), self.size, access=mmap.ACCESS_COPY)
        mapping.file = self._file
        return memoryview(mapping)

    def let_go(self) -> None:
        """Of what has been read of the map, which is read again where it is needed; only where
        nothing was written there, as that would be lost."""
        if "mapped" in self.__dict__ and isinstance(mapping := self.mapped.obj, _Mapping):
            with suppress(OSError):  # of a process that locks its memory: there it stays
                mapping.madvise(mmap.MADV_DONTNEED)

    def check(self, is_as_it_was: Callable[[], bool]) -> None:
        """Raises PlanError where the file has been written to since it was opened.

        A file that was only touched has another time, and `is_as_it_was` by its contents.
        """
        state = os.fstat(self._file.fileno())
        if state.st_mtime_ns == self._noted[0] and state.st_size == self._noted[1]:
            return
        if state.st_size != self.size or not is_as_it_was():
            raise PlanError(
                "was changed in place while it was open, so that its weights are lost",
                where=str(self.path),
                fix="open it again; to replace a plan, write another file and rename it over the "
                "old one, as `stagecut compile` does",
            )
        self._noted = (state.st_mtime_ns, state.st_size)


def _in_memory(file: IO[bytes]) -> IO[bytes] | None:
    """A copy that no other process has a name for; None where a system does not allow for one."""
    try:
        copy = os.fdopen(os.memfd_create("stagecut"), "w+b")
    except OSError:
        return None
    try:
        copy.write(file.read())
        copy.seek(0)
    except BaseException:
        copy.close()
        raise
    return copy


def map_part(descriptor: int, offset: int, length: int) -> memoryview:
    """That part of a file, in place; what is written there stays in this process."""
    begin = offset % mmap.ALLOCATIONGRANULARITY
    mapping = mmap.mmap(descriptor, begin + length, access=mmap.ACCESS_COPY, offset=offset - begin)
    return memoryview(mapping)[begin:]


class _Mapping(mmap.mmap):
    """Keeps the file that it maps open."""

    file: IO[bytes]


def place_of(region: memoryview) -> tuple[int, int]:
    """The descriptor of the file of which `region` is a part, mapped by a KeptFile, and where in it
    the part begins: for another process that has to map it, too."""
    mapping = region.obj
    if not isinstance(mapping, _Mapping):
        raise TypeError(mapping)
    begin, whole = (np.frombuffer(each, np.uint8).ctypes.data for each in (region, mapping))
    return mapping.file.fileno(), begin - whole
