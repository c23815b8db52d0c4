"""A real encoder-decoder with trained weights, of PyPI's arabic-name-romanizer: its two models are
two plans. What the encoder says of a name is computed once, and read by every step of the decoder.

    encoder    name > memory, mask, hidden
    decoder    letter, memory, mask, hidden > scores of the next letter, hidden
"""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnxruntime as ort
import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.runtime import Session
from tests.support.scattered import scattered

NAMES = ("محمد", "فاطمة", "عبد الرحمن", "يوسف")
#: What ONNX Runtime alone was seen to spell, in the order of the names.
SPELLED = ("Mohamed", "Fatma", "Abderrahmane", "Youssef")
#: Of no country, and no known part of a name.
BEFORE = ("<UNK_COUNTRY>", "<ROLE_UNKNOWN>")
BEGIN, END, MOST = 1, 2, 32

#: The outputs of a model by its feeds.
Run: TypeAlias = Callable[[Feeds], list[Tensor]]


@pytest.fixture(scope="module")
def folder() -> Path:
    found = find_spec("arabic_name_romanizer")
    if found is None or found.origin is None:
        pytest.skip("pip install --no-deps arabic-name-romanizer")
    return Path(found.origin).parent / "resources"


@pytest.fixture(scope="module")
def letters(folder: Path) -> list[str]:
    tokens: list[str] = json.loads((folder / "vocab.json").read_text("utf-8"))["tokens"]
    return tokens


def _greedy(encode: Run, decode: Run, name: list[int]) -> list[int]:
    ids = np.asarray([name])
    memory, mask, hidden = encode({"src": ids, "src_mask": np.zeros_like(ids, np.bool_)})
    token, found = BEGIN, list[int]()
    for _ in range(MOST):
        feeds = {"prefix": np.asarray([[token]]), "memory": memory, "src_mask": mask}
        scores, hidden = decode({**feeds, "hidden": hidden})
        token = int(scores[0].argmax())
        if token == END:
            break
        found.append(token)
    return found


def _plain(file: Path) -> Run:
    session = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return lambda feeds: list(session.run(None, dict(feeds)))


def _planned(file: Path, devices: list[str], samples: Feeds) -> Run:
    plan = compile_model(file, feeds=samples, devices=devices, costs=scattered(1))
    session = Session(plan)
    assert {*session.get_providers()} == {*devices}
    return lambda feeds: session.run(None, dict(feeds))


def _samples(length: int) -> tuple[Feeds, Feeds]:
    """Of the encoder, and of the decoder, for a name of so many letters."""
    padding = np.zeros((1, length), np.bool_)
    zeros = {"memory": (1, length, 256), "hidden": (1, 2, 256)}
    states = {name: np.zeros(shape, np.float32) for name, shape in zeros.items()}
    ids = np.ones((1, length), np.int64)
    return {"src": ids, "src_mask": padding}, {"prefix": ids[:, :1], "src_mask": padding, **states}


def test_tokens_are_those_of_a_plain_loop(folder: Path, letters: list[str]) -> None:
    files = [folder / "encoder.onnx", folder / "decoder.onnx"]
    both = ["cpu.serial", "cpu.parallel"]
    plain = [_plain(file) for file in files]
    planned = [_planned(file, both, feeds) for file, feeds in zip(files, _samples(6), strict=True)]
    spelled = []
    for name in NAMES:
        ids = [letters.index(letter) for letter in (*BEFORE, *name, "<EOS>")]
        expected = _greedy(plain[0], plain[1], ids)
        assert _greedy(planned[0], planned[1], ids) == expected
        spelled.append("".join(letters[token] for token in expected))
    assert tuple(spelled) == SPELLED
