"""The command line, asked as a user does, and a small model to ask about."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from tests.support.command_line import Said, stagecut
from tests.support.onnx_models import MODELS


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    return lambda *arguments: stagecut(capsys, monkeypatch, *arguments)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "residual.onnx"
    onnx.save(MODELS["residual"].proto(), path)
    return path
