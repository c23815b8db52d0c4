"""Which tokens of each sequence count: those that fill up shorter prompts do not.

prompts    5 17 9 4      counted    1 1 1 1      positions    0 1 2 3
           . .  3 7                 0 0 1 1                   0 0 0 1
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from stagecut.compiler.ir.device import StagedSchedule, Tensor
from stagecut.compiler.ir.errors import FeedError
from stagecut.compiler.ir.state import MASK, positional
from stagecut.compiler.ir.text import size_text

#: Operators that are told how many tokens count, and not which.
_FROM_FRONT = frozenset({"GroupQueryAttention"})


class Counted:
    """Of so many `sequences` with room for `capacity` tokens each; all count until told
    otherwise."""

    def __init__(self, sequences: int, capacity: int) -> None:
        self._counts = np.ones((sequences, capacity), bool)

    def places(
        self, dtypes: Mapping[str, "np.dtype[Any]"], length: int, tokens: int
    ) -> dict[str, Tensor]:
        """What so many new `tokens` behind `length` others say of their places, for the inputs in
        `dtypes` that are about it."""
        return positional(dtypes, self._counts[:, : length + tokens], tokens)

    def told(self, mask: Tensor, total: int) -> "Counted":
        """Another that knows the `mask` of all `total` tokens so far; raises FeedError where it is
        of others."""
        sequences = len(self._counts)
        shape = shape_of(mask)
        if shape != (sequences, total):
            said = "of several lengths" if shape is None else size_text(shape)
            raise FeedError(
                f"is {said}, and there are {total} tokens of {sequences}",
                where=f"input {MASK}",
                fix=f"feed {sequences}x{total} numbers, or leave it out",
            )
        other = self.copy()
        other._counts[:, :total] = mask
        return other

    def truncate(self, length: int) -> None:
        self._counts[:, length:] = True

    def copy(self) -> "Counted":
        other = Counted(*self._counts.shape)
        other._counts[:] = self._counts
        return other


def shape_of(fed: Any) -> tuple[int, ...] | None:
    """That of an array, or of lists in the place of one; None where these have several lengths."""
    try:
        return tuple(np.shape(fed))
    except ValueError:
        return None


def counts_from_front(staged: StagedSchedule) -> bool:
    """Whether an operator, of an If or Loop too, takes the tokens that count for the first ones."""
    return any(
        node.op_type in _FROM_FRONT
        for program in staged.programs
        for node in program.model.graph.all_nodes()
    )
