"""ONNX Runtime reports nothing of what it runs."""

import os
import subprocess
import sys

import pytest

_SAYS = "import os; from stagecut.compiler.onnx_runtime import ort; "


def _said(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """In a home where nothing can be kept, which reporting complains of; without CI's variables,
    in which nothing is reported anyway."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, "HOME": "/dev/null", **variables},
        capture_output=True,
        text=True,
        check=True,
    )


def test_it_does_where_nobody_says_no() -> None:
    """The test below would see it."""
    bare = _said("import onnxruntime")
    if "telemetry" not in bare.stderr:
        pytest.skip("this build of ONNX Runtime reports nothing by itself")
    assert "telemetry" not in _said(_SAYS).stderr


def test_what_the_user_says_counts() -> None:
    said = _said(_SAYS + "print(os.environ['ORT_DISABLE_TELEMETRY'])", ORT_DISABLE_TELEMETRY="2")
    assert said.stdout == "2\n"
    assert _said(_SAYS + "print(os.environ['ORT_DISABLE_TELEMETRY'])").stdout == "1\n"


def test_its_tools_set_up_no_logging() -> None:
    code = (
        "import logging; from stagecut.compiler.onnx_runtime import quantization; quantization(); "
        "print(logging.root.handlers, logging.root.level)"
    )
    assert _said(code).stdout == "[] 30\n"
