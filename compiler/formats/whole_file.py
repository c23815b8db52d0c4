"""Read a file to its end, which may be a pipe, but must have one.

What begins with /dev/zero, or with a hole of a terabyte, would be read until the memory is gone.
"""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

#: No JSON that a program writes, and no ONNX file, is larger.
MOST_BYTES = 2**31 - 1

#: Of what does not say its size beforehand: pipes and devices.
_MOST_UNTOLD_BYTES = 2**28


_CHUNK_BYTES = 2**20


def read_whole(path: Path) -> bytes:
    """All of it; raises OSError for what cannot be read, or is too large."""
    try:
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
            if not stat.S_ISREG(state.st_mode):
                return b"".join(_chunks(file))
            if state.st_size > MOST_BYTES:
                raise _error(errno.EFBIG)
            return file.read()
    except MemoryError:
        raise _error(errno.ENOMEM) from None


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    left = _MOST_UNTOLD_BYTES
    while chunk := file.read(_CHUNK_BYTES):
        left -= len(chunk)
        if left < 0:
            raise _error(errno.EFBIG)
        yield chunk


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
