"""Tiny models of the zoo are exported once by each process, however often they are asked for.

PyTorch takes a second for a small model, ten for a decoder, and gives the same every time, which
tests/models/test_architectures.py and tests/compiler/frontends/test_zoo.py look at.
"""

import functools
from dataclasses import replace

import pytest

from stagecut import models
from stagecut.compiler.frontends import zoo
from stagecut.compiler.frontends.imported import Imported

#: What stands for a large model in the documentation: one of the same family, with the same names.
_SMALL = {"bert-small": "tiny-bert", "minilm": "tiny-bert"}

_FROM_ZOO, _FIND = zoo.from_zoo, models.find


def export_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `zoo:tiny-NAME` be read again where it has been read before: a copy each time."""
    monkeypatch.setattr(zoo, "from_zoo", _copied)


def take_small_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let large models be small, too; they are compiled in tests/end_to_end."""
    monkeypatch.setattr(zoo, "from_zoo", _small)


@functools.cache
def _exported(spec: str) -> Imported:
    return _FROM_ZOO(spec)


def _copied(spec: str) -> Imported:
    tiny = spec.removeprefix(zoo.PREFIX).startswith("tiny-")
    if not tiny or models.find is not _FIND:  # a large one, or a zoo of a test's own
        return _FROM_ZOO(spec)
    kept = _exported(spec)
    return replace(kept, model=kept.model.clone())


def _small(spec: str) -> Imported:
    name, *options = spec.removeprefix(zoo.PREFIX).split(":")
    return _copied(zoo.PREFIX + ":".join((_SMALL.get(name, name), *options)))
