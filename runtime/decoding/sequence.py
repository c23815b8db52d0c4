"""One sequence of tokens through a decoder, with the states that it keeps from run to run."""

from collections.abc import Mapping
from collections.abc import Sequence as Several
from typing import Any, Protocol, Self

import numpy as np

from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.errors import ClosedError, FeedError, UsageError
from stagecut.compiler.ir.state import DECODE, MASK, POSITIONS, PREFILL, TOKENS, Decoding
from stagecut.runtime.decoding.rows import Rows


class EntrySession(Protocol):
    """A session of one entry: what a sequence needs of it."""

    def run(self, output_names: Several[str] | None, input_feed: Feeds) -> list[Tensor]: ...


class Sequence:
    """What was said so far, and what the model keeps of it. For one thread at a time; sequences of
    one session run side by side.

        with session.sequence() as sequence:
            [logits] = sequence.run("prefill", {"input_ids": prompt})
            [logits] = sequence.run("decode", {"input_ids": token})

    Outputs come back without the states. `attention_mask` and `position_ids` may be left out where
    the model has them: every token counts, each stands behind the one before it.
    """

    def __init__(
        self,
        entries: Mapping[str, EntrySession],
        inputs: Mapping[str, Mapping[str, np.dtype[Any]]],
        outputs: Several[str],
        decoding: Decoding,
        rows: Rows | None = None,
    ) -> None:
        self._entries = entries
        self._inputs = inputs
        self._outputs = list(outputs)
        self._asked = [*self._outputs, *(state.present for state in decoding.states)]
        self._decoding = decoding
        self._rows: Rows | None = rows or Rows(decoding.states, decoding.capacity)

    @property
    def length(self) -> int:
        """How many tokens it holds."""
        return self._open.length

    @property
    def capacity(self) -> int:
        """How many it can hold."""
        return self._decoding.capacity

    @property
    def memory_bytes(self) -> int:
        """What its states take: capacity x the bytes that are kept of a token."""
        return self._open.size_bytes

    def run(self, entry: str, feeds: Feeds) -> list[Tensor]:
        """Run tokens through `entry`: "prefill" begins, "decode" goes on with one or more.

        Raises UsageError for an entry that is not there or not next, FeedError for inputs that do
        not fit or for which there is no room. Then the sequence stays as it was.
        """
        rows = self._open
        self._check_turn(entry, rows.length)
        count = self._count(feeds)
        if rows.length + count > self.capacity:
            raise FeedError(
                f"{count} tokens behind {rows.length}, and a sequence holds {self.capacity}",
                where=f"input {TOKENS}",
                fix="give fewer, truncate the sequence, or compile with a larger --capacity",
            )
        whole = {**self._filled(entry, rows.length, count), **feeds}
        if entry == DECODE:
            whole |= rows.past()
        found = self._entries[entry].run(self._asked, whole)
        rows.append(dict(zip(self._asked, found, strict=True)), count)
        return found[: len(self._outputs)]

    def truncate(self, length: int) -> None:
        """Forget all but the first `length` tokens; raises UsageError where there are fewer."""
        self._open.truncate(length)

    def fork(self) -> "Sequence":
        """Another sequence that holds the same, in memory of its own."""
        return Sequence(
            self._entries, self._inputs, self._outputs, self._decoding, self._open.copy()
        )

    def close(self) -> None:
        """Give the memory back; afterwards everything raises ClosedError."""
        self._rows = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def _open(self) -> Rows:
        if self._rows is None:
            raise ClosedError("the sequence is closed", fix="make another: session.sequence()")
        return self._rows

    def _check_turn(self, entry: str, length: int) -> None:
        if entry not in self._entries:
            problem = f"there is no entry {entry!r}"
        elif entry == PREFILL and length:
            problem = f"prefill begins a sequence, and this one holds {length} tokens"
        elif entry == DECODE and not length:
            problem = "decode goes on with a sequence, and this one is empty"
        else:
            return
        raise UsageError(
            problem,
            where="sequence.run",
            fix="run prefill on an empty sequence, decode on any other; truncate(0) empties it",
        )

    def _count(self, feeds: object) -> int:
        """How many tokens are fed; raises FeedError where these are no row of them."""
        for state in self._decoding.states:
            if isinstance(feeds, Mapping) and state.past in feeds:
                raise FeedError(
                    "is a state, which the sequence keeps",
                    where=f"input {state.past}",
                    fix="leave it out",
                )
        tokens = feeds.get(TOKENS) if isinstance(feeds, Mapping) else None
        shape = () if tokens is None else np.shape(tokens)
        if len(shape) != 2 or shape[0] != 1 or not shape[1]:
            raise FeedError(
                "has to be one row of tokens, 1x1 or longer",
                where=f"input {TOKENS}",
                fix=f"feed {{{TOKENS!r}: array of whole numbers}}",
            )
        return int(shape[1])

    def _filled(self, entry: str, length: int, count: int) -> dict[str, Tensor]:
        """The mask and the positions, where the model reads them."""
        dtypes, filled = self._inputs[entry], {}
        if MASK in dtypes:
            filled[MASK] = np.ones((1, length + count), dtypes[MASK])
        if POSITIONS in dtypes:
            filled[POSITIONS] = np.arange(length, length + count, dtype=dtypes[POSITIONS])[None]
        return filled
