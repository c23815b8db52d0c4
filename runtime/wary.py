"""Whether an engine leaves alone what is not its own: its inputs, and what it handed back before.

An engine that computes in place changes what other stages read, and its caller's arrays; one that
hands the same buffers back again changes answers that somebody has already. Neither shows in the
numbers of a single run.
"""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from stagecut.compiler.ir.device import Executable, Tensor
from stagecut.runtime.place import Place


class Wary:
    """A prepared stage that is looked at in its first two calls, the first one on copies; later
    ones are the engine's alone. Raises StageFault of `place`."""

    def __init__(self, execute: Executable, place: Place) -> None:
        self._execute = execute
        self._place = place
        #: What the first call handed back, and what was in it then.
        self._first: list[tuple[Tensor, bytes]] | None = None
        self._is_known = False

    def __call__(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        if self._is_known:
            return self._execute(inputs)
        return self._once(inputs) if self._first is None else self._twice(inputs, self._first)

    def _once(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        given = [*map(_copied, inputs)]
        before = [*map(_digest, inputs)]
        results = self._execute(given)
        if [*map(_digest, given)] != before:
            raise self._place.wrong("writes into its inputs, which others may read")
        self._first = [(each, _digest(each)) for each in results]
        return results

    def _twice(
        self, inputs: Sequence[Tensor], first: Sequence[tuple[Tensor, bytes]]
    ) -> Sequence[Tensor]:
        results = self._execute(inputs)
        for (earlier, digest), later in zip(first, results, strict=True):
            if _may_overlap(earlier, later) and _digest(earlier) != digest:
                raise self._place.wrong("writes over what it handed back in an earlier run")
        self._is_known, self._first = True, []
        return results


def _copied(tensor: Tensor) -> Tensor:
    """Of a device's own memory, the tensor itself."""
    held: object = tensor
    return held.copy() if isinstance(held, np.ndarray) else tensor


def _may_overlap(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.may_share_memory(one, other)
    return False


def _digest(tensor: object) -> bytes:
    """Of the numbers of an array; nothing of what lies in a device's own memory."""
    if not isinstance(tensor, np.ndarray):
        return b""
    if tensor.dtype == object:
        return repr(tensor.tolist()).encode(errors="surrogatepass")
    flat = np.ascontiguousarray(tensor).reshape(-1)
    return blake2b(flat.view(np.uint8).data, digest_size=16).digest()
