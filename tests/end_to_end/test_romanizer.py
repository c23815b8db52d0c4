"""A real encoder-decoder with trained weights, of PyPI's arabic-name-romanizer: its two models are
one plan. What the encoder says of a name is computed once, and read by every step of the decoder.

    encode    name > memory, mask, hidden
    decode    letter, memory, mask, hidden > scores of the next letter, hidden
"""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from stagecut.compiler import Plan, compile_model
from stagecut.compiler.formats.weights import FILE_NAME
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.onnx_runtime import ort
from stagecut.runtime import DecoderSession, Generator
from tests.support.scattered import scattered

NAMES = ("محمد", "فاطمة", "عبد الرحمن", "يوسف")
#: What ONNX Runtime alone was seen to spell, in the order of the names.
SPELLED = ("Mohamed", "Fatma", "Abderrahmane", "Youssef")
#: Of no country, and no known part of a name.
BEFORE = ("<UNK_COUNTRY>", "<ROLE_UNKNOWN>")
BEGIN, END, MOST = 1, 2, 32


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


@pytest.fixture(scope="module")
def plan(folder: Path) -> Plan:
    """Scattered over two devices."""
    both = ["cpu.serial", "cpu.parallel"]
    made = compile_model(folder, shapes={"src": (1, 6)}, devices=both, costs=scattered(1))
    used = [{each.device for each in variant.planned.schedule.stages} for variant in made.variants]
    assert used == [{*both}] * 2
    return made


@pytest.fixture(scope="module")
def loop(folder: Path) -> "PlainLoop":
    return PlainLoop(folder)


class PlainLoop:
    """The two models in ONNX Runtime, as the package's own code loops over them."""

    def __init__(self, folder: Path) -> None:
        self._encoder, self._decoder = (
            ort.InferenceSession(str(folder / name), providers=["CPUExecutionProvider"])
            for name in ("encoder.onnx", "decoder.onnx")
        )

    def greedy(self, source: Feeds) -> list[int]:
        memory, mask, hidden = self._encoder.run(None, dict(source))
        token, found = BEGIN, list[int]()
        for _ in range(MOST):
            feeds = {"prefix": np.asarray([[token]]), "memory": memory, "src_mask": mask}
            scores, hidden = self._decoder.run(None, {**feeds, "hidden": hidden})
            token = int(scores[0].argmax())
            if token == END:
                break
            found.append(token)
        return found


def _source(letters: list[str], name: str) -> Feeds:
    ids = np.asarray([[letters.index(letter) for letter in (*BEFORE, *name, "<EOS>")]])
    return {"src": ids, "src_mask": np.zeros_like(ids, np.bool_)}


def test_tokens_are_those_of_a_plain_loop(plan: Plan, loop: PlainLoop, letters: list[str]) -> None:
    generator, spelled = Generator(plan), []
    for name in NAMES:
        source = _source(letters, name)
        found = generator([BEGIN], source=source, max_new=MOST, stop_ids={END})
        assert [*found.tokens] == loop.greedy(source)
        spelled.append("".join(letters[token] for token in found.tokens))
    assert tuple(spelled) == SPELLED


def test_through_a_fork(plan: Plan, loop: PlainLoop, letters: list[str]) -> None:
    """Its hidden state is replaced in each step: the fork has one of its own."""
    source = _source(letters, NAMES[2])
    expected = loop.greedy(source)
    with DecoderSession(plan).sequence() as sequence:
        sequence.run("encode", source)
        [scores] = sequence.run("decode", {"prefix": np.asarray([[BEGIN]])})
        found = [int(scores.argmax())]
        while len(found) < len(expected):
            with sequence.fork() as fork:
                for wrong in (3, 4):
                    fork.run("decode", {"prefix": np.asarray([[wrong]])})
            [scores] = sequence.run("decode", {"prefix": np.asarray([[found[-1]]])})
            found.append(int(scores.argmax()))
    assert found == expected


def test_weights_are_there_once(folder: Path, plan: Plan) -> None:
    files = sum((folder / f"{name}.onnx").stat().st_size for name in ("encoder", "decoder"))
    assert plan.archive.size(FILE_NAME) < files
