"""Read a file to its end, which may be a pipe, but must have one.

What begins with /dev/zero, or with a hole of a terabyte, would be read until the memory is gone.
"""

import errno
import os
import stat
from pathlib import Path

#: No JSON that a program writes, and no ONNX file, is larger.
MOST_BYTES = 2**31 - 1

#: Of what does not say its size beforehand: pipes and devices.
_MOST_UNTOLD_BYTES = 2**28


def read_whole(path: Path) -> bytes:
    """All of it; raises OSError for what cannot be read, or is too large."""
    with path.open("rb") as file:
        state = os.fstat(file.fileno())
        most = MOST_BYTES if stat.S_ISREG(state.st_mode) else _MOST_UNTOLD_BYTES
        data = b"" if state.st_size > most else file.read(most + 1)
    if state.st_size > most or len(data) > most:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return data
