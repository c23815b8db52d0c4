"""Models of the zoo that are exported once, however often they are asked for, and small.

PyTorch takes some seconds for each, and gives the same every time, which
tests/models/test_architectures.py and tests/compiler/frontends/test_zoo.py look at. Large ones are
compiled in tests/end_to_end.
"""

import functools
from dataclasses import replace

import pytest

from stagecut.compiler.frontends import zoo
from stagecut.compiler.frontends.imported import Imported

#: What stands for a large model: one of the same family, with the same names.
SMALL = {"bert-small": "tiny-bert", "minilm": "tiny-bert"}


def export_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `zoo:NAME` be read again where it has been read before: a copy of its own each time, and
    of a small model."""
    monkeypatch.setattr(zoo, "from_zoo", _copied)


@functools.cache
def _exported(spec: str) -> Imported:
    return _FROM_ZOO(spec)


_FROM_ZOO = zoo.from_zoo


def _copied(spec: str) -> Imported:
    name, *options = spec.split(":")
    kept = _exported(":".join((SMALL.get(name, name), *options)))
    return replace(kept, model=kept.model.clone())
