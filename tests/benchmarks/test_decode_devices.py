"""What a run has left is taken over by one that asks the same, and by no other."""

import argparse
from pathlib import Path

import pytest

from benchmarks.decode_devices.__main__ import Row, _keep, _kept

ROW = Row(128, "", "", 1e-3, 1e-3, 4, 0, 0, 1e-3, 1024)


def _options(output: Path, **changed: str) -> argparse.Namespace:
    asked = {"model": "zoo:tiny-llama", "devices": "pim.hbm,pim.aim", **changed}
    return argparse.Namespace(output=output, **asked)


def test_what_is_there_of_the_same_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.decode_devices.__main__._draw", lambda *_: None)
    assert _kept(_options(tmp_path)) == []
    _keep([ROW], _options(tmp_path))
    assert _kept(_options(tmp_path)) == [ROW]
    assert _kept(_options(tmp_path, model="zoo:tiny-gpt2")) == []
    assert _kept(_options(tmp_path, devices="pim.hbm")) == []
