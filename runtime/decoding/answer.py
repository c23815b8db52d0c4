"""What is written behind one prompt, token by token, and where it ends."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypeAlias

from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.numbers import is_count, whole_numbers
from stagecut.runtime.decoding.sampling import Sampler
from stagecut.runtime.decoding.tokenizer import Tokenizer

#: Told of each token when it is there, and of the text that it completes, empty without tokenizer;
#: of the last one again where more text turns out to be the answer's behind it, by what ends it.
OnToken: TypeAlias = Callable[[int, str], None]

#: What a tokenizer makes of the first bytes of a letter.
_UNFINISHED = "\ufffd"


@dataclass(frozen=True, slots=True)
class Ends:
    """Where an answer ends: with so many tokens, before one of `stop_ids`, or before one of the
    texts `stops`. Raises UsageError for no tokens and for a text of no letters."""

    max_new: int
    stop_ids: Collection[int] = ()
    stops: Collection[str] = ()

    def __post_init__(self) -> None:
        if not is_count(self.max_new, 1):
            raise UsageError(
                f"it is {self.max_new!r}", where="max_new", fix="give a whole number, 1 or more"
            )
        if whole_numbers(self.stop_ids) is None:
            raise UsageError(
                f"they are {self.stop_ids!r}", where="stop_ids", fix="give tokens, as in {0, 2}"
            )
        if not _are_texts(self.stops):
            raise UsageError(
                "it ends before it begins", where="stops", fix="give texts of one letter or more"
            )

    def cut(self, text: str) -> str:
        """What is before the first of `stops`."""
        return text[: min((at for at in map(text.find, self.stops) if at >= 0), default=None)]

    def sure(self, text: str) -> str:
        """What is before anything that one of `stops` might begin with."""
        most = max(map(len, self.stops), default=1) - 1
        for at in range(max(0, len(text) - most), len(text)):
            if any(stop.startswith(text[at:]) for stop in self.stops):
                return text[:at]
        return text


class Answer:
    """Tokens, which a `sampler` chooses by scores."""

    def __init__(
        self,
        sampler: Sampler,
        ends: Ends,
        tokenizer: Tokenizer | None = None,
        on_token: OnToken | None = None,
    ) -> None:
        self._sampler = sampler
        self._ends = ends
        self._tokenizer = tokenizer
        self._on_token = on_token
        self._chosen = -1
        self._heard, self._told = 0, ""
        self._decoded, self._whole_text = 0, ""
        self.tokens: list[int] = []
        self.is_over = False

    @property
    def text(self) -> str | None:
        """None without a tokenizer."""
        if self._tokenizer is None:
            return None
        return self._ends.cut(self._whole)

    def add(self, scores: Tensor) -> int:
        """Choose the next token, and say which it is; one that ends the answer is no part of it.
        Behind the end, of sequences that go on beside others, nothing is chosen, and the last one
        is said again."""
        if self.is_over:
            return self._chosen
        token = self._chosen = self._sampler(scores)
        if token in self._ends.stop_ids:
            self.is_over = True
            return token
        self.tokens.append(token)
        self.is_over = len(self.tokens) == self._ends.max_new
        if self._ends.stops:
            text = self._whole
            self.is_over |= self._ends.cut(text) != text
        return token

    def tell(self) -> None:
        """Tell who listens of the latest token, if it has not been told; again, of an answer that
        is over, if text is left that was held back."""
        if self._on_token is None or not self.tokens:
            return
        new = self._completed(self._whole)
        if new or self._heard < len(self.tokens):
            self._heard = len(self.tokens)
            self._on_token(self.tokens[-1], new)

    @property
    def _whole(self) -> str:
        """The text of all tokens, decoded once for each that is added; empty without tokenizer."""
        if self._tokenizer is not None and self._decoded < len(self.tokens):
            self._decoded = len(self.tokens)
            self._whole_text = self._tokenizer.decode(self.tokens)
        return self._whole_text

    def _completed(self, text: str) -> str:
        """What the latest token adds to what was told: letters come when whole, and what may turn
        out to be a stop when it is none; all that is left when the answer is over."""
        sure = self._ends.cut(text) if self.is_over else self._ends.sure(text)
        if sure.endswith(_UNFINISHED) and not self.is_over:
            return ""
        new, self._told = sure[len(self._told) :], sure
        return new


def _are_texts(given: object) -> bool:
    """Whether it is a collection of texts, none of them empty."""
    if isinstance(given, str) or not isinstance(given, Collection):
        return False
    return all(isinstance(each, str) and each for each in given)
