"""Answers that are kept for whoever asks next, as long as they do not take too much memory.

Outputs may be large: those of a language model are one number for each token and word, for each
input of a batch, for each set of inputs. What is beyond `most_bytes` is computed again when it is
asked for again, but for the latest, of which several things may be asked in a row.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Generic, TypeAlias, TypeVar

from stagecut.compiler.ir.device import Tensor

Outputs: TypeAlias = Mapping[str, Tensor]

_Key = TypeVar("_Key", bound=Hashable)

#: Fewer contenders than a handful have to be checked in a compile, so that computing again what is
#: beyond this costs less than what the contenders compute themselves.
MOST_BYTES = 512 << 20


class Kept(Generic[_Key]):
    """By what was asked for. What could not be computed is a sentence, and always kept."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._left_bytes = most_bytes
        self._answers: dict[_Key, Outputs | str] = {}
        self._latest: tuple[_Key, Outputs] | None = None

    def __contains__(self, key: _Key) -> bool:
        return key in self._answers or (self._latest is not None and self._latest[0] == key)

    def __call__(self, key: _Key, compute: Callable[[], Outputs | str]) -> Outputs | str:
        if key in self._answers:
            return self._answers[key]
        if self._latest is not None and self._latest[0] == key:
            return self._latest[1]
        self._latest = None  # before there is another
        found = compute()
        size_bytes = 0 if isinstance(found, str) else sum(each.nbytes for each in found.values())
        if isinstance(found, str) or size_bytes <= self._left_bytes:
            self._answers[key] = found
            self._left_bytes -= size_bytes
        else:
            self._latest = key, found
        return found
