"""Measurements kept from one compile to the next, so that the same model is profiled once.

An entry is a file named by a digest of everything the measurement depends on: model, sample
inputs, devices, machine, versions. A file that cannot be read counts as missing.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from stagecut.compiler.formats.atomic import replacing

Kept = TypeVar("Kept")


def digest(*parts: bytes | str) -> str:
    """One SHA-256 for a list of parts; different lists have different ones."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(hashlib.sha256(data).digest())
    return total.hexdigest()


@dataclass(frozen=True, slots=True)
class Cache(Generic[Kept]):
    """Values of one type in a folder; `folder` None keeps nothing."""

    folder: Path | None
    kind: str
    adapter: TypeAdapter[Kept]

    def load(self, key: str) -> Kept | None:
        path = self._path(key)
        if path is None or not path.is_file():
            return None
        try:
            return self.adapter.validate_json(path.read_bytes())
        except (OSError, ValidationError):
            return None

    def store(self, key: str, kept: Kept) -> None:
        path = self._path(key)
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_bytes(self.adapter.dump_json(kept, indent=1))

    def _path(self, key: str) -> Path | None:
        return None if self.folder is None else self.folder / f"{self.kind}-{key[:32]}.json"
