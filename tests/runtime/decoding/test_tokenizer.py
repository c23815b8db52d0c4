"""Tokenizers of local files, and files that are none."""

import sys
from pathlib import Path

import pytest

from stagecut.compiler.ir.errors import ModelError, UsageError
from stagecut.runtime.decoding.tokenizer import Tokenizer
from tests.support.tokenizers import word_tokenizer

pytest.importorskip("tokenizers", reason="tokenizers is an extra")


def test_there_and_back(tmp_path: Path) -> None:
    tokenizer = Tokenizer(word_tokenizer(tmp_path / "tokenizer.json"))
    assert tokenizer.encode("w3 w7") == [3, 7]
    assert tokenizer.decode([3, 7]) == "w3 w7"


def test_a_larger_vocabulary_than_the_models(tmp_path: Path) -> None:
    tokenizer = Tokenizer(word_tokenizer(tmp_path / "tokenizer.json"))
    tokenizer.check_fits(23)
    tokenizer.check_fits(64)  # models have spare rows
    with pytest.raises(UsageError, match="it has 23 tokens, and the model knows 22"):
        tokenizer.check_fits(22)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        Tokenizer(tmp_path / "missing.json")


@pytest.mark.parametrize("content", [b"{}", b"\xff\xfe", b"no JSON"])
def test_no_tokenizer(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="is none") as caught:
        Tokenizer(path)
    assert str(path) in caught.value.where


def test_the_package_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ModelError, match="tokenizers is not installed") as caught:
        Tokenizer(tmp_path / "tokenizer.json")
    assert "--prompt-ids" in caught.value.fix
