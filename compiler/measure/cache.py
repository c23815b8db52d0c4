"""Measurements kept from one compile to the next, so that the same model is profiled once.

An entry is a file named by a digest of everything the measurement depends on: model, sample
inputs, devices, machine, versions.

    stagecut.cache/1 SHA-256 of all that follows
    the key, in full
    what is kept, as JSON

Nothing in a file is believed unless its digest and its key are right. Whatever else is wrong with
the cache, a full disk or a file in the folder's place, costs a warning and no more: a measurement
that is not found is made anew, and one that cannot be kept is used all the same.
"""

import errno
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from stagecut.compiler.formats.atomic import replacing
from stagecut.compiler.formats.type_adapters import adapter_of
from stagecut.compiler.formats.whole_file import read_whole
from stagecut.compiler.ir.errors import StagecutError

Kept = TypeVar("Kept")

_FORMAT = "stagecut.cache/1"


def digest(*parts: bytes | str) -> str:
    """One SHA-256 for a list of parts; different lists have different ones."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode(errors="surrogatepass") if isinstance(part, str) else part
        total.update(hashlib.sha256(data).digest())
    return total.hexdigest()


@dataclass(frozen=True, slots=True)
class Cache(Generic[Kept]):
    """Values of one type in a folder; `folder` None keeps nothing. `warn` is told what is wrong
    with the folder, or with an entry."""

    folder: Path | None
    kind: str
    of: type[Kept]
    warn: Callable[[str], None]

    def load(self, key: str) -> Kept | None:
        """What was stored for `key`; None where nothing was, or nothing that can be believed."""
        path = self._path(key)
        try:
            if path is None or not path.is_file():
                return None
            return adapter_of(self.of).validate_json(_believed(read_whole(path), key))
        except OSError as error:
            self.warn(f"the cache {self.folder} cannot be read: {error.strerror or error}")
        except (ValueError, StagecutError):  # what a type makes of values that are not its own
            self.warn(f"an entry of the cache {self.folder} is damaged, and is measured anew")
        return None

    def store(self, key: str, kept: Kept) -> None:
        path = self._path(key)
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and not path.is_file():  # writing into a pipe waits for a reader
                raise OSError(errno.EEXIST, f"{path.name} is no file")
            with replacing(path) as temporary:
                temporary.write_bytes(_sealed(key, self._text(kept)))
        except OSError as error:
            self.warn(f"nothing is kept in the cache {self.folder}: {error.strerror or error}")
        except (ValueError, StagecutError) as error:
            problem = error.problem if isinstance(error, StagecutError) else error
            self.warn(f"nothing is kept in the cache {self.folder}: {problem}")

    def _text(self, kept: Kept) -> str:
        """As JSON with infinities, which figures may be."""
        return json.dumps(adapter_of(self.of).dump_python(kept, mode="json"), indent=1)

    def _path(self, key: str) -> Path | None:
        return None if self.folder is None else self.folder / f"{self.kind}-{key[:32]}.kept"


def _sealed(key: str, text: str) -> bytes:
    body = f"{key}\n{text}".encode()
    return f"{_FORMAT} {hashlib.sha256(body).hexdigest()}\n".encode() + body


def _believed(data: bytes, key: str) -> bytes:
    """The JSON of an entry; raises ValueError for one that is not whole, or another's."""
    body = data.partition(b"\n")[2]
    stored, _, text = body.partition(b"\n")
    if stored != key.encode() or data != _sealed(key, text.decode()):
        raise ValueError("it is not what was stored")
    return text
