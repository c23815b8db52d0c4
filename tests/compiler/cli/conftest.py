"""The command line, asked as a user does, and a small model to ask about."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.context import Settings
from tests.support.command_line import Said, stagecut
from tests.support.onnx_models import MODELS


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    return lambda *arguments: stagecut(capsys, monkeypatch, *arguments)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The plan of the small model, measured on the CPU."""
    path = tmp_path_factory.mktemp("residual") / "x.plan"
    devices, settings = ["cpu.serial", "cpu.parallel"], Settings(effort="quick")
    compile_model(MODELS["residual"].proto(), devices=devices, settings=settings).save(path)
    return path.read_bytes()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "residual.onnx"
    onnx.save(MODELS["residual"].proto(), path)
    return path
