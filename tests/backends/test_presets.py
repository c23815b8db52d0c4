"""Presets: the package's, the user's own, and what is said about bad ones."""

from pathlib import Path

import numpy as np
import pytest

from stagecut import backends
from stagecut.compiler import Plan, compile_model
from stagecut.compiler.ir.errors import DeviceError
from stagecut.runtime import Session
from stagecut.runtime.feeds import random_feeds
from tests.support.pim import estimate

SHAPES = [(1, 1024), (1024, 4096)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _write(folder: Path, text: str, name: str = "mine.toml") -> None:
    (folder / name).write_text(text)


def test_a_file_changes_what_it_names(folder: Path) -> None:
    _write(folder, 'architecture = "hbm"\n[timing]\ntCCDL = 6\nrefresh = false\n')
    mine = estimate("pim:mine.toml", "MatMul", SHAPES)
    assert mine.device == "pim.mine"
    assert mine.cycles == estimate("pim.hbm:tCCDL=6,refresh=off", "MatMul", SHAPES).cycles


@pytest.mark.parametrize("spec", ["pim:mine.toml,channels=8", "pim:mine.toml:channels=8"])
def test_options_go_before_the_file(folder: Path, spec: str) -> None:
    _write(folder, 'architecture = "aim"\n[geometry]\nchannels = 4\n')
    found = estimate(spec, "MatMul", SHAPES)
    assert found.cycles == estimate("pim.aim:channels=8", "MatMul", SHAPES).cycles


def test_a_plan_keeps_what_the_file_said(folder: Path) -> None:
    _write(folder, 'architecture = "aim"\n[host]\nsync_s = 0\n')
    plan = compile_model("zoo:tiny-mlp", devices=["cpu.serial", "pim:mine.toml"])
    (folder / "mine.toml").unlink()
    plan.save("x.plan")
    spec = Plan.load("x.plan").first.planned.provenance.devices["pim.mine"]
    assert backends.create(spec).device.name == "pim.mine"
    assert spec == "pim:architecture=aim,name=mine,sync_s=0"


@pytest.mark.parametrize("preset", ["pim.hbm", "pim.aim", "pim.silent"])
def test_a_model_compiled_for_a_preset_keeps_its_answers(preset: str) -> None:
    devices = ["cpu.serial", preset]
    pinned = Session(compile_model("zoo:tiny-mlp", devices=devices, pins=[f"Gemm*={preset}"]))
    alone = Session(compile_model("zoo:tiny-mlp", devices=devices[:1]))
    feeds = random_feeds(pinned.planned.inputs, 0)
    [found], [expected] = pinned.run(None, feeds), alone.run(None, feeds)
    assert preset in pinned.get_providers()
    np.testing.assert_allclose(found, expected, atol=3e-2 * np.abs(expected).max())


BAD = {
    "no file": (None, "pim:mine.toml", "mine.toml", "No such file"),
    "no TOML": ("tCCDL: 6", "pim:mine.toml", "mine.toml", "is not TOML"),
    "nested without end": ("a = " + "[" * 9999, "pim:mine.toml", "mine.toml", "is not TOML"),
    "no architecture": ("[timing]\ntCCDL = 6", "pim:mine.toml", "mine.toml", "architecture"),
    "an unknown architecture": ('architecture = "upmem"', "pim:mine.toml", "mine.toml", "upmem"),
    "an unknown section": (
        'architecture = "hbm"\n[power]\nx = 1',
        "pim:mine.toml",
        "mine.toml",
        "'power'",
    ),
    "an unknown name": (
        'architecture = "hbm"\n[timing]\ntCCD = 6',
        "pim:mine.toml",
        "[timing]",
        "'tCCD'",
    ),
    "a text for a number": (
        'architecture = "hbm"\n[timing]\ntCCDL = "6"',
        "pim:mine.toml",
        "timing.tCCDL",
        "not a whole number",
    ),
    "a number for a section": (
        'architecture = "hbm"\ntiming = 1',
        "pim:mine.toml",
        "timing",
        "section",
    ),
    "nonsense": (
        'architecture = "hbm"\n[timing]\ntRAS = 3',
        "pim:mine.toml",
        "device pim.mine",
        "before tRCDRD",
    ),
    "nothing at all": (None, "pim", "device pim", "no preset file"),
    "an unknown option": (
        'architecture = "aim"',
        "pim:mine.toml,tRCD=3",
        "device pim.mine",
        "tRCD",
    ),
    "no channels": (None, "pim.aim:channels=0", "device pim.aim", "channels"),
    "rows that close before they open": (None, "pim.aim:nRAS=20", "device pim.aim", "nRCDRD"),
    "rates of nothing": (
        None,
        "pim.silent:weight_bytes_per_s=0",
        "device pim.silent",
        "ever finish",
    ),
}


@pytest.mark.parametrize(("text", "spec", "where", "problem"), BAD.values(), ids=BAD.keys())
def test_bad_presets(folder: Path, text: str | None, spec: str, where: str, problem: str) -> None:
    if text is not None:
        _write(folder, text)
    with pytest.raises(DeviceError) as error:
        backends.create(spec)
    assert where in error.value.where
    assert problem in error.value.problem
    assert error.value.fix
