"""Models of the zoo that are exported once, however often they are asked for.

PyTorch takes some seconds for each, and gives the same every time, which
tests/models/test_architectures.py and tests/compiler/frontends/test_zoo.py look at.
"""

import functools
from dataclasses import replace

import pytest

from stagecut.compiler.frontends import zoo
from stagecut.compiler.frontends.imported import Imported


def export_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `zoo:NAME` be read again where it has been read before: a copy of its own each time."""
    monkeypatch.setattr(zoo, "from_zoo", _copied)


@functools.cache
def _exported(spec: str) -> Imported:
    return _FROM_ZOO(spec)


_FROM_ZOO = zoo.from_zoo


def _copied(spec: str) -> Imported:
    kept = _exported(spec)
    return replace(kept, model=kept.model.clone())
