"""What a sequence holds of its states: rows in buffers that are there from the start."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.numbers import is_whole
from stagecut.compiler.ir.state import State


class Rows:
    """A buffer of `capacity` rows for each state, of which the first `length` count.

    Appending writes behind these; no buffer is ever moved, copied or made larger. They lie where
    the step's `variant` reads them.
    """

    def __init__(self, states: Sequence[State], capacity: int) -> None:
        self._states = states
        self._capacity = capacity
        # zeros: of a state that is read whole, rows that nobody wrote are multiplied with nothing
        self._buffers = [
            np.zeros((capacity, *state.row), np.dtype(state.dtype)) for state in states
        ]
        self.length = 0
        self.variant = 0

    @property
    def size_bytes(self) -> int:
        return sum(buffer.nbytes for buffer in self._buffers)

    def past(self) -> dict[str, Tensor]:
        """The rows that count, or all that there is room for, by the names of the inputs that read
        them: views, not copies."""
        return {
            state.past: buffer if state.whole else buffer[: self.length]
            for state, buffer in zip(self._states, self._buffers, strict=True)
        }

    def append(self, outputs: Feeds, count: int) -> None:
        """Add the `count` rows of a run, which `outputs` has by the names of states' outputs.

        Raises UsageError where there are others: then nothing is added.
        """
        end = self.length + count
        rows = [outputs[state.present] for state in self._states]
        for state, new in zip(self._states, rows, strict=True):
            if new.shape != (count, *state.row):
                raise UsageError(
                    f"{len(new)} rows came back for {count} tokens",
                    where=f"output {state.present}",
                    fix="compile a model whose cache has one row for each token",
                )
        for buffer, new in zip(self._buffers, rows, strict=True):
            buffer[self.length : end] = new
        self.length = end

    @property
    def pasts(self) -> frozenset[str]:
        """The names of the inputs that read them."""
        return frozenset(state.past for state in self._states)

    def named(self, names: Iterable[str]) -> Iterator[tuple[str, Tensor]]:
        """The rows that count of the states that inputs of these names read."""
        held = self.past()
        return ((name, held[name]) for name in names)

    def rewrite(self, rows: Feeds, length: int) -> None:
        """Hold other numbers, by the names of inputs, in the place of the first `length` rows."""
        for name, held in self.named(rows):
            held[:length] = rows[name][:length]

    def truncate(self, length: int) -> None:
        """Keep the first `length` rows; raises UsageError where there are fewer."""
        if not (is_whole(length) and 0 <= length <= self.length):
            raise UsageError(
                f"the sequence holds {self.length} tokens, and cannot be cut to {length!r}",
                where="truncate",
                fix=f"give a whole number from 0 to {self.length}",
            )
        self.length = length

    def copy(self) -> "Rows":
        """The same rows in buffers of their own."""
        other = Rows(self._states, self._capacity)
        for target, source in zip(other._buffers, self._buffers, strict=True):
            target[: self.length] = source[: self.length]
        other.length, other.variant = self.length, self.variant
        return other
