"""Text to tokens and back, by a `tokenizer.json`; the only module that imports `tokenizers`."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from stagecut.compiler.formats.whole_file import read_whole
from stagecut.compiler.ir.errors import ModelError, UsageError, told
from stagecut.compiler.ir.stop import asks_to_stop

Answer = TypeVar("Answer")


class Tokenizer:
    """A tokenizer of a local file, as Hugging Face's `tokenizers` writes them; nothing is fetched.

    A prompt is never cut off or filled up, whatever the file says of batches. Raises UsageError for
    a file that is none, ModelError where the package is missing.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        try:
            import tokenizers
        except ModuleNotFoundError as error:
            raise ModelError(
                "tokenizers is not installed",
                where=f"tokenizer {path}",
                fix="pip install 'stagecut[generate]', or give --prompt-ids",
            ) from error
        self.path = Path(path)
        try:
            data = read_whole(self.path)
        except OSError as error:
            raise self._wrong(f"{error.strerror}") from None
        self._tokenizer = self._asked(
            lambda: tokenizers.Tokenizer.from_str(data.decode()), "is none"
        )
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def check_fits(self, vocabulary: int) -> None:
        """Raises UsageError where it has tokens that a model of so many does not know."""
        size = self._tokenizer.get_vocab_size()
        if size > vocabulary:
            raise UsageError(
                f"it has {size} tokens, and the model knows {vocabulary}",
                where=f"tokenizer {self.path}",
                fix="give the tokenizer that the model was trained with",
            )

    def encode(self, text: str) -> list[int]:
        """Raises UsageError where the tokenizer fails."""
        return self._asked(lambda: list(self._tokenizer.encode(text).ids), "fails on the text")

    def decode(self, tokens: Sequence[int]) -> str:
        """Raises UsageError where the tokenizer fails."""
        return self._asked(lambda: str(self._tokenizer.decode(list(tokens))), "fails on the tokens")

    def _asked(self, question: Callable[[], Answer], problem: str) -> Answer:
        try:
            return question()
        except BaseException as error:  # it raises Exception itself, and panics, which is none
            if asks_to_stop(error):
                raise
            raise self._wrong(f"{problem}: {told(error)}") from None

    def _wrong(self, problem: str) -> UsageError:
        return UsageError(
            problem, where=f"tokenizer {self.path}", fix="give the model's tokenizer.json"
        )
