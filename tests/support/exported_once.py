"""Tiny models of the zoo, and MiniLM, are exported once in a run of the tests, however often they
are asked for.

PyTorch takes a second for a small model, ten for a decoder, and gives the same every time, which
tests/models/test_architectures.py and tests/compiler/frontends/test_zoo.py look at.

    the first process that asks    export, write    exports/HASH/model.onnx, feeds.npz, ...
    it, and all others             read, and keep
"""

import fcntl
import functools
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from stagecut import models
from stagecut.compiler.frontends import zoo
from stagecut.compiler.frontends.imported import Imported

#: What stands for a large model in the documentation: one of the same family, with the same names.
_SMALL = {"bert-small": "tiny-bert", "minilm": "tiny-bert"}

#: How their names begin.
_SHARED = ("tiny-", "minilm")

_FROM_ZOO, _FIND = zoo.from_zoo, models.find


def export_once(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let `zoo:tiny-NAME` and `zoo:minilm` be read again where they have been read before: a copy
    each time. All processes of a run share the folder."""
    monkeypatch.setattr(zoo, "from_zoo", functools.partial(_copied, folder))


def take_small_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let large models be small, too; they are compiled in tests/end_to_end."""
    monkeypatch.setattr(zoo, "from_zoo", functools.partial(_small, zoo.from_zoo))


def _small(from_zoo: Callable[[str], Imported], spec: str) -> Imported:
    name, *options = spec.removeprefix(zoo.PREFIX).split(":")
    return from_zoo(zoo.PREFIX + ":".join((_SMALL.get(name, name), *options)))


def _copied(folder: Path, spec: str) -> Imported:
    shared = spec.removeprefix(zoo.PREFIX).startswith(_SHARED)
    if not shared or models.find is not _FIND:  # another, or a zoo of a test's own
        return _FROM_ZOO(spec)
    found = _exported(folder, spec)
    return replace(found, model=found.model.clone())


@functools.cache
def _exported(folder: Path, spec: str) -> Imported:
    return kept(folder, spec, lambda: _FROM_ZOO(spec))


def kept(folder: Path, name: str, export: Callable[[], Imported]) -> Imported:
    """What `export` gives, or has given to whoever asked for it by the same name before."""
    place = folder / hashlib.sha256(name.encode()).hexdigest()
    folder.mkdir(exist_ok=True)
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            imported = export()
            if not _can_be_kept(imported):
                return imported
            _write(imported, place)
    return _read(place)


def _can_be_kept(imported: Imported) -> bool:
    return not (imported.asked or imported.misnamed or imported.left_out or imported.changes)


def _write(imported: Imported, place: Path) -> None:
    new = place.with_suffix(".new")
    new.mkdir(exist_ok=True)  # of a process that was killed meanwhile
    ir.save(imported.model, new / "model.onnx")
    np.savez(new / "feeds.npz", allow_pickle=False, **imported.feeds)
    texts = {"name": imported.name, "source": imported.source, "unchecked": imported.unchecked}
    (new / "texts.json").write_text(json.dumps(texts))
    if imported.uncached is not None:
        ir.save(imported.uncached, new / "uncached.onnx")
    if imported.encoder is not None:
        _write(imported.encoder, new / "encoder")
    new.rename(place)


def _read(place: Path) -> Imported:
    texts = json.loads((place / "texts.json").read_text())
    with np.load(place / "feeds.npz") as arrays:
        feeds = dict(arrays)
    uncached, encoder = place / "uncached.onnx", place / "encoder"
    return Imported(
        model=ir.load(place / "model.onnx"),
        feeds=feeds,
        uncached=ir.load(uncached) if uncached.exists() else None,
        encoder=_read(encoder) if encoder.exists() else None,
        **texts,
    )
