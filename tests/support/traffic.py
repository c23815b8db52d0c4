"""How many bytes go to files, come from files, and are looked at for a digest."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_sha256 = hashlib.sha256


@dataclass(slots=True)
class Traffic:
    """Of this process, through the system's calls: what engines map is not in it."""

    written_bytes: int = 0
    read_bytes: int = 0
    hashed_bytes: int = 0


@contextmanager
def counted() -> Iterator[Traffic]:
    """What the block does, once it is over."""
    traffic = Traffic()

    class Counted:
        """A SHA-256 that counts."""

        def __init__(self, data: bytes = b"") -> None:
            self._digest = _sha256()
            self.update(data)

        def update(self, data: bytes) -> None:
            traffic.hashed_bytes += memoryview(data).nbytes
            self._digest.update(data)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._digest, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashlib, "sha256", Counted)
        before = _told()
        yield traffic
        after = _told()
    traffic.written_bytes = after["wchar"] - before["wchar"]
    traffic.read_bytes = after["rchar"] - before["rchar"]


def _told() -> dict[str, int]:
    lines = Path("/proc/self/io").read_text().splitlines()
    return {name: int(number) for name, number in (line.split(": ") for line in lines)}
