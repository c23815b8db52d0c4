"""Text to tokens and back, by a `tokenizer.json`; the only module that imports `tokenizers`."""

import os
from collections.abc import Sequence
from pathlib import Path

from stagecut.compiler.formats.whole_file import read_whole
from stagecut.compiler.ir.errors import ModelError, UsageError


class Tokenizer:
    """A tokenizer of a local file, as Hugging Face's `tokenizers` writes them; nothing is fetched.

    Raises UsageError for a file that is none, ModelError where the package is missing.
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
            text = read_whole(self.path).decode()
            self._tokenizer = tokenizers.Tokenizer.from_str(text)
        except Exception as error:  # tokenizers raises Exception itself
            problem = error.strerror if isinstance(error, OSError) else f"is none: {error}"
            raise UsageError(
                str(problem), where=f"tokenizer {path}", fix="give the model's tokenizer.json"
            ) from None

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
        return list(self._tokenizer.encode(text).ids)

    def decode(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens)))
