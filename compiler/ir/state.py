"""States: what a sequence keeps from one run of a decoder to the next, its keys and values.

run        tokens    rows that come back    what the sequence holds then
encode     -         -                      what is handed on: read by each run behind it
prefill    5         5 of each state        5
decode     1         1                      6, read as `past` by the next run
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from stagecut.compiler.ir.amounts import Positive, Size
from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.numbers import is_count, whole_numbers

#: The entry that reads what is spoken of (encoder-decoders have it), the one that reads a prompt,
#: and the one that reads what a sequence holds, too.
ENCODE, PREFILL, DECODE = "encode", "prefill", "decode"

#: What decoders call their inputs: tokens, which of all positions count, and where tokens stand.
TOKENS, MASK, POSITIONS = "input_ids", "attention_mask", "position_ids"
#: The same as `position_ids` for caches that are written in place, without a batch.
CACHE_POSITIONS = "cache_position"

#: Of a prompt, and of a sequence, where nobody says.
_PROMPT, _CAPACITY = 128, 1024


def positional(
    dtypes: Mapping[str, "np.dtype[Any]"], counted: Tensor, tokens: int
) -> dict[str, Tensor]:
    """What the last `tokens` of each sequence say of their places, for those of the inputs in
    `dtypes` that are about it: the mask, and the positions.

    `counted` is `(sequences, all tokens)`, true for those that count: a token stands behind as many
    as count before it, and where nothing does, at 0.
    """
    found: dict[str, Tensor] = {}
    before = counted.shape[1] - tokens
    if MASK in dtypes:
        found[MASK] = counted.astype(dtypes[MASK])
    if POSITIONS in dtypes:
        behind = counted[:, :before].sum(axis=1, keepdims=True)
        places = np.maximum(behind + counted[:, before:].cumsum(axis=1) - 1, 0)
        found[POSITIONS] = places.astype(dtypes[POSITIONS])
    if CACHE_POSITIONS in dtypes:
        found[CACHE_POSITIONS] = np.arange(before, before + tokens, dtype=dtypes[CACHE_POSITIONS])
    return found


def behind(feeds: Feeds, states: Sequence[str], length: int) -> Feeds:
    """The inputs of a step behind another number of tokens: states begin again, or end sooner."""
    placed = [feeds[name].shape for name in (POSITIONS, CACHE_POSITIONS) if name in feeds]
    tokens = placed[0][-1] if placed else 1
    rows = next((feeds[name].shape[0] for name in (POSITIONS, MASK) if name in feeds), 1)
    held = {name: np.resize(feeds[name], (length, *feeds[name].shape[1:])) for name in states}
    dtypes = {name: array.dtype for name, array in feeds.items()}
    return {**feeds, **held, **positional(dtypes, np.ones((rows, length + tokens), bool), tokens)}


@dataclass(frozen=True, slots=True)
class State:
    """A tensor that a sequence keeps, and to which each run appends a row for each token.

    `past` is the input of the entry `decode` that reads it, `present` the output of both entries
    that has the rows of the run. Rows lie along axis 0, wherever the model has them (at `axis`):
    what a sequence holds is then the front of one buffer, `(length, *row)`, and never moves. A
    model that writes into its cache by itself reads the `whole` buffer, `(capacity, *row)`, and
    looks at no row behind the last token.
    """

    past: str
    present: str
    dtype: str
    row: tuple[Size, ...]
    axis: Size
    whole: bool = False

    @property
    def row_bytes(self) -> int:
        return math.prod(self.row) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, slots=True)
class Handed:
    """What `encode` says once, as its output `source`, and each run behind it reads, as its input
    `target`: of a state that is replaced, the first run only."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Replaced:
    """A state that each run replaces as a whole: it reads `past`, and hands back `present`.

    The first run reads what is handed on from `encode`, or zeros.
    """

    past: str
    present: str


@dataclass(frozen=True, slots=True)
class Decoding:
    """What the entries of a decoder share. A sequence holds at most `capacity` tokens, which come
    in as `tokens`; `logits` is the output that scores the next one, empty where it is not plain
    which does. `answer` is how many new tokens the answer has that it was compiled for, 0 where
    nobody said. A decoder without `states` that grow has no entry prefill: it reads its tokens one
    by one. Each run is of so many `sequences` at once, which are equally long, the rows of a batch:
    what is kept of each has them, too."""

    states: tuple[State, ...]
    capacity: Positive
    logits: str
    answer: Size = 0
    tokens: str = TOKENS
    handed: tuple[Handed, ...] = ()
    replaced: tuple[Replaced, ...] = ()
    sequences: Positive = 1

    @property
    def entries(self) -> tuple[str, ...]:
        """In the order in which a sequence runs them."""
        first = (ENCODE,) if self.handed else ()
        return (*first, *((PREFILL,) if self.states else ()), DECODE)

    @property
    def held(self) -> tuple[str, ...]:
        """The inputs that a sequence fills with what it holds whole, whatever its length."""
        handed = (each.target for each in self.handed)
        return tuple(dict.fromkeys((*(each.past for each in self.replaced), *handed)))

    @property
    def kept(self) -> tuple[str, ...]:
        """The inputs that a sequence fills: nobody feeds them."""
        return (*(each.past for each in self.states), *self.held)

    @property
    def presents(self) -> tuple[str, ...]:
        """The outputs that a sequence keeps."""
        grown = [each.present for each in self.states]
        return (*grown, *(each.present for each in self.replaced))

    @property
    def pasts(self) -> tuple[str, ...]:
        """The inputs of `decode` that read them again."""
        grown = [each.past for each in self.states]
        return (*grown, *(each.past for each in self.replaced))

    @property
    def token_bytes(self) -> int:
        """What is kept of each token, of all sequences."""
        return sum(state.row_bytes for state in self.states)


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """What a compile can be told of a decoder.

    `prompt` is the number of tokens that prefill is measured with, `capacity` the most tokens that
    a sequence may hold, and `states` pairs inputs with outputs where these are not recognised by
    name. `new` is how many tokens the answer has whose time counts, and `length` the tokens that
    the step lies behind that is measured; one of the two is said at the most. `encoder` is the file
    of the model that runs once before, and `handed` pairs its outputs with inputs of the decoder
    where these are not recognised by name. `sequences` is how many run at once, where the model
    leaves that open. `further` are longer lengths, ascending, for which the step has a variant of
    its own. Raises UsageError for numbers that make no sense.
    """

    prompt: int | None = None
    capacity: int | None = None
    states: Mapping[str, str] = field(default_factory=dict)
    new: int | None = None
    length: int | None = None
    encoder: Path | None = None
    handed: Mapping[str, str] = field(default_factory=dict)
    sequences: int | None = None
    further: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("prompt", "capacity", "new", "length"):
            number = getattr(self, name)
            if number is not None and not is_count(number, 2):
                raise UsageError(
                    f"it is {number!r}", where=name, fix="give a whole number of tokens, 2 or more"
                )
        if self.sequences is not None and not is_count(self.sequences, 1):
            raise UsageError(
                f"it is {self.sequences!r}", where="sequences", fix="give a whole number, 1 or more"
            )
        if self.further != ():
            self._check_further()
        if self.new is not None and self.length is not None:
            raise UsageError(
                "the length of an answer says behind how many tokens its steps lie",
                where="length",
                fix="give one of the two",
            )

    def _check_further(self) -> None:
        """Each is longer than the one before it."""
        whole = whole_numbers(self.further)
        if (
            whole is None
            or self.length is None
            or any(one >= other for one, other in pairwise([self.length, *whole]))
        ):
            raise UsageError(
                f"they are {self.further!r}, behind {self.length!r}",
                where="further",
                fix="give a length, and further ones, each a larger whole number of tokens",
            )

    @property
    def is_given(self) -> bool:
        return self != DecodingOptions()

    def lengths(self, room: int | None) -> tuple[int, int, int]:
        """The tokens of the prompt that is measured, of the longest sequence, and of what the step
        lies behind that is measured: half way to the end of the answer, or of the sequence, unless
        that is said. `room` is what the model itself is known to have room for.

        Raises UsageError for a prompt that fills it, and for what does not fit.
        """
        longest = max(self.length or 0, *self.further, 0)
        capacity = self.capacity or max(room or _CAPACITY, longest + 1)
        prompt = self.prompt or min(_PROMPT, max(1, capacity // 2))
        if prompt >= capacity:
            raise UsageError(
                f"a prompt of {prompt} tokens leaves no room in a sequence of {capacity}",
                where="prompt",
                fix="give a shorter prompt, or a larger capacity",
            )
        if longest >= capacity:
            raise UsageError(
                f"a step behind {longest} tokens does not fit into a sequence of {capacity}",
                where="length",
                fix="give a shorter length, or a larger capacity",
            )
        if self.length is not None:
            return prompt, capacity, self.length
        if self.new is None:
            return prompt, capacity, (prompt + capacity) // 2
        if prompt + self.new - 1 > capacity:
            raise UsageError(
                f"{self.new} tokens behind a prompt of {prompt} do not fit into a sequence of "
                f"{capacity}",
                where="objective",
                fix="ask for a shorter answer, or give a larger capacity",
            )
        return prompt, capacity, prompt + (self.new - 2) // 2
