"""Files that can be read but once, as a shell hands them to a command: `<(cat file)`."""

import os
from pathlib import Path


def pipe(text: str) -> Path:
    """A pipe that holds no more than this, which is less than pipes hold (64 KiB)."""
    end, start = os.pipe()
    with os.fdopen(start, "w") as file:
        file.write(text)
    return Path(f"/dev/fd/{end}")
