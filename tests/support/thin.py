"""The models of the zoo as deep as they are, and thin: the same graphs, with few weights.

A block of bert-base:    MatMul 768 x 3072    Gelu    MatMul 3072 x 768    ...    12 times
The same, thin:          MatMul 48 x 96       Gelu    MatMul 96 x 48       ...    12 times

Those that are others but for their size have fewer blocks: PyTorch takes half a second for each.
"""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from stagecut import models
from stagecut.models.catalogue import find
from stagecut.models.entry import Entry, Family

#: Channels of a thin model for each head.
_A_HEAD = 4
_HEADS = 12

_WORDS = {"vocab_size": 128}
_ENCODER = {"intermediate_size": 96}
_IMAGE = {"image_size": 64}

#: What is smaller than in the entry, by family; depths and numbers of heads are the entry's own.
_SMALLER: Mapping[Family, Mapping[str, int | float | tuple[int, ...]]] = {
    "bert": {**_WORDS, **_ENCODER},
    "roberta": {**_WORDS, **_ENCODER},
    "gpt2": {**_WORDS, "n_embd": _HEADS * _A_HEAD, "bos_token_id": 0, "eos_token_id": 0},
    "vit": {**_ENCODER, **_IMAGE, "num_labels": 10},
    "resnet": {**_IMAGE, "embedding_size": 8, "hidden_sizes": (16, 32, 48, 64), "num_labels": 10},
    "mobilenet": {**_IMAGE, "depth_multiplier": 0.25, "num_labels": 10},
    "vgg": {
        "blocks": (4, 2, 8, 2, 16, 3, 32, 3, 32, 3),
        "hidden": 64,
        "labels": 10,
        "image_size": 32,
    },
}

#: As blocks of bert-base and vit-base are, which have all of theirs.
_FEW_BLOCKS = 4
_SHALLOW = ("roberta-base", "vit-large", "vit-huge")

_OF_HEADS = ("bert", "roberta", "vit")


def build_thin(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `zoo:NAME` mean the thin model; one of another family stays as it is."""
    entry = find(name)
    if entry.family in _SMALLER:
        monkeypatch.setattr(models, "find", lambda _: _thin(entry))


def _thin(entry: Entry) -> Entry:
    sizes = {**entry.sizes, **_SMALLER[entry.family]}
    if entry.family in _OF_HEADS:
        heads = int(str(sizes.get("num_attention_heads", _HEADS)))
        sizes["hidden_size"] = heads * _A_HEAD
    if entry.name in _SHALLOW:
        sizes["num_hidden_layers"] = _FEW_BLOCKS
    return replace(entry, sizes=sizes)
