"""One sequence of tokens through a decoder, with the states that it keeps from run to run."""

from collections.abc import Mapping
from collections.abc import Sequence as Several
from typing import Any, Protocol, Self

import numpy as np

from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.errors import ClosedError, FeedError, UsageError
from stagecut.compiler.ir.state import DECODE, ENCODE, MASK, PREFILL, Decoding
from stagecut.runtime.decoding.counted import Counted, shape_of
from stagecut.runtime.decoding.held import Held
from stagecut.runtime.decoding.moves import NO_MOVES, Brought, Moves
from stagecut.runtime.decoding.rows import Rows


class EntrySession(Protocol):
    """A session of one entry: what a sequence needs of it."""

    def run(self, output_names: Several[str] | None, input_feed: Feeds) -> list[Tensor]: ...

    def run_variant(
        self, at: int, output_names: Several[str] | None, input_feed: Feeds
    ) -> list[Tensor]: ...


class Sequence:
    """What was said so far, and what the model keeps of it. For one thread at a time; sequences of
    one session run side by side.

        with session.sequence() as sequence:
            [logits] = sequence.run("prefill", {"input_ids": prompt})
            [logits] = sequence.run("decode", {"input_ids": token})

    Of an encoder-decoder, "encode" comes first, and its outputs are read by each run behind it.
    Outputs come back without the states. `attention_mask` and `position_ids` may be left out where
    the model has them: every token counts, each stands behind those before it that do. A mask that
    is given is of all tokens so far, and holds for further runs, too.

    Of a plan for several sequences at once, this is all of them: they are equally long, and tokens
    come in as a row for each. A shorter prompt is filled up in front, with a mask that says so.
    """

    def __init__(
        self,
        entries: Mapping[str, EntrySession],
        inputs: Mapping[str, Mapping[str, np.dtype[Any]]],
        outputs: Several[str],
        decoding: Decoding,
        held: Held,
        kept: tuple[Rows, Counted] | None = None,
        moves: Moves = NO_MOVES,
    ) -> None:
        self._entries = entries
        self._inputs = inputs
        self._outputs = list(outputs)
        self._asked = [*self._outputs, *decoding.presents]
        self._decoding = decoding
        self._known = decoding.entries
        self._kept = frozenset(decoding.kept)
        self._held = held
        self._moves = moves
        rows, counted = kept or (
            Rows(decoding.states, decoding.capacity),
            Counted(decoding.sequences, decoding.capacity),
        )
        self._rows: Rows | None = rows
        self._counted = counted

    @property
    def length(self) -> int:
        """How many tokens it holds, of each sequence."""
        return self._open.length

    @property
    def capacity(self) -> int:
        """How many it can hold."""
        return self._decoding.capacity

    @property
    def memory_bytes(self) -> int:
        """What its states take: capacity x the bytes that are kept of a token, and what is held
        whole."""
        return self._open.size_bytes + self._held.size_bytes

    def run(self, entry: str, feeds: Feeds) -> list[Tensor]:
        """Run tokens through `entry`: "prefill" begins, "decode" goes on with one or more. What an
        encoder-decoder speaks of goes through "encode" before, which hands back nothing.

        Raises UsageError for an entry that is not there or not next, FeedError for inputs that do
        not fit or for which there is no room, EngineError where an engine or a link fails. Then the
        sequence stays as it was.
        """
        rows = self._open
        self._check_turn(entry, rows.length)
        if entry == ENCODE:
            return self._encode(feeds)
        count = self._count(feeds)
        if rows.length + count > self.capacity:
            raise FeedError(
                f"{count} tokens behind {rows.length}, and a sequence holds {self.capacity}",
                where=f"input {self._decoding.tokens}",
                fix="give fewer, truncate the sequence, or compile with a larger --capacity",
            )
        counted = self._counted
        if MASK in feeds:
            counted = counted.told(feeds[MASK], rows.length + count)
        whole = {**counted.places(self._inputs[entry], rows.length, count), **feeds}
        whole |= self._held.arrays
        brought = Brought()
        if entry == DECODE:
            brought = self._moves.bring(rows)
            whole |= {**rows.past(), **brought.moved}
        session = self._entries[entry]
        found = (
            session.run_variant(brought.variant, self._asked, whole)
            if brought.stays
            else session.run(self._asked, whole)
        )
        named = dict(zip(self._asked, found, strict=True))
        before = rows.length
        rows.append(named, count)
        rows.rewrite(brought.moved, before)
        rows.variant = brought.variant
        self._counted = counted
        self._held.replace(named)
        return found[: len(self._outputs)]

    def truncate(self, length: int) -> None:
        """Forget all but the first `length` tokens, and nothing of what was encoded; raises
        UsageError where there are fewer, or where a state does not say what it was."""
        rows = self._open
        if self._decoding.replaced and length not in (0, rows.length):
            raise UsageError(
                f"each token replaces {self._decoding.replaced[0].past}, so that there is no way "
                f"back to {length!r}",
                where="truncate",
                fix="fork the sequence where you may have to return, or truncate(0)",
            )
        rows.truncate(length)
        self._counted.truncate(length)
        if not length:
            rows.variant = 0  # where prefill hands its rows over
            self._held.rewind()

    def fork(self) -> "Sequence":
        """Another sequence that holds the same, in memory of its own."""
        kept = self._open.copy(), self._counted.copy()
        return Sequence(
            self._entries,
            self._inputs,
            self._outputs,
            self._decoding,
            self._held.copy(),
            kept,
            self._moves,
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

    def _encode(self, feeds: Feeds) -> list[Tensor]:
        sources = [each.source for each in self._decoding.handed]
        found = self._entries[ENCODE].run(sources, feeds)
        # an input that is handed on as it is stays the caller's, who may write into it
        given = [*map(np.asarray, feeds.values())]
        apart = [
            np.copy(each) if any(np.may_share_memory(each, own) for own in given) else each
            for each in found
        ]
        self._held.begin(dict(zip(sources, apart, strict=True)))
        return []

    def _check_turn(self, entry: str, length: int) -> None:
        known = self._known
        if entry not in known:
            problem = f"there is no entry {entry!r}: there are {', '.join(known)}"
        elif entry != ENCODE and not self._held.is_encoded:
            problem = f"{entry} reads what encode says, which has not run"
        elif entry != DECODE and length:
            problem = f"{entry} begins a sequence, and this one holds {length} tokens"
        elif entry == DECODE and PREFILL in known and not length:
            problem = "decode goes on with a sequence, and this one is empty"
        else:
            return
        raise UsageError(
            problem,
            where="sequence.run",
            fix=f"run {' and '.join(known[:-1]) or DECODE} on an empty sequence, decode on any "
            "other; truncate(0) empties it",
        )

    def _count(self, feeds: object) -> int:
        """How many tokens are fed; raises FeedError where these are no row of them."""
        name = self._decoding.tokens
        fed: Mapping[Any, Any] = feeds if isinstance(feeds, Mapping) else {}
        if not self._kept.isdisjoint(fed):
            kept = next(each for each in self._decoding.kept if each in fed)
            raise FeedError(
                "is a state, which the sequence keeps",
                where=f"input {kept}",
                fix="leave it out",
            )
        shape = shape_of(fed.get(name)) or ()
        rows = self._decoding.sequences
        if len(shape) != 2 or shape[0] != rows or not shape[1]:
            many = "one row" if rows == 1 else f"{rows} rows"
            raise FeedError(
                f"has to be {many} of tokens, {rows}x1 or longer",
                where=f"input {name}",
                fix=f"feed {{{name!r}: array of whole numbers}}",
            )
        if shape[1] > 1 and not self._decoding.states:
            raise FeedError(
                f"{shape[1]} tokens, and the model takes one at a time",
                where=f"input {name}",
                fix="run decode once for each",
            )
        return int(shape[1])
