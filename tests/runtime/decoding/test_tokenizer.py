"""Tokenizers of local files, and files that are none."""

import json
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


#: What is wrong with a tokenizer of the word `a`, and what of it shows when it is made or used.
FAULTS: dict[str, tuple[dict[str, object], str]] = {
    "a word that it does not know, and no token for such": (
        {"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "[UNK]"}},
        "fails on the text: .*Missing",
    ),
    "a table that cannot be read": (
        {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "/////w=="}},
        "is none: PanicException",
    ),
    "a table that is empty": (
        {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAAAAAAAAAAAAAA"}},
        "fails on the text: PanicException",
    ),
    "a pattern without end": (
        {
            "pre_tokenizer": {
                "type": "Split",
                "pattern": {"Regex": "(a+)+$"},
                "behavior": "Isolated",
                "invert": False,
            }
        },
        "fails on the text: PanicException",
    ),
}


@pytest.mark.parametrize(("change", "says"), FAULTS.values(), ids=FAULTS.keys())
def test_a_tokenizer_that_fails(tmp_path: Path, change: dict[str, object], says: str) -> None:
    path = _of_one_word(tmp_path, change)
    with pytest.raises(UsageError, match=says):
        Tokenizer(path).encode("b" + "a" * 30 + "!")


def test_a_prompt_is_neither_cut_off_nor_filled_up(tmp_path: Path) -> None:
    path = _of_one_word(
        tmp_path,
        {
            "pre_tokenizer": {"type": "Whitespace"},
            "truncation": {
                "direction": "Right",
                "max_length": 2,
                "strategy": "LongestFirst",
                "stride": 0,
            },
            "padding": {
                "strategy": {"Fixed": 8},
                "direction": "Right",
                "pad_to_multiple_of": None,
                "pad_id": 0,
                "pad_type_id": 0,
                "pad_token": "a",
            },
        },
    )
    assert Tokenizer(path).encode("a a a") == [0, 0, 0]


def _of_one_word(folder: Path, change: dict[str, object]) -> Path:
    path = folder / "tokenizer.json"
    model = {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}
    path.write_text(json.dumps({"version": "1.0", "added_tokens": [], "model": model, **change}))
    return path


def test_the_package_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ModelError, match="tokenizers is not installed") as caught:
        Tokenizer(tmp_path / "tokenizer.json")
    assert "--prompt-ids" in caught.value.fix
