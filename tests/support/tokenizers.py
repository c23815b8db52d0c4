"""A tokenizer.json with one word for each token of the tiny decoder."""

from pathlib import Path

from tests.support.decoders import VOCABULARY


def word_tokenizer(path: Path, words: int = VOCABULARY) -> Path:
    """Writes it: token 5 is the word w5."""
    import tokenizers

    vocabulary = {f"w{number}": number for number in range(words)}
    model = tokenizers.models.WordLevel(vocabulary, unk_token="w0")  # noqa: S106  # a word
    made = tokenizers.Tokenizer(model)
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.save(str(path))
    return path
