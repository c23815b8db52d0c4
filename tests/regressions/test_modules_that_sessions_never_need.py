"""A session brings those modules alone that run its plan: no compiler's tools, no other engine."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stagecut.compiler import compile_model
from stagecut.passes.profile.synthetic import unmeasured
from tests.support.small_plans import model

RUN = """
import sys
import numpy as np
from stagecut.runtime import Session
session = Session(sys.argv[1])
session.run(None, {"x": np.zeros((2, 24), np.float32)})
print(sorted({"onnxscript", "networkx", "torch", "rich", "typer", "ray"} & {*sys.modules}))
print(sorted({"onnxruntime", "openvino"} & {*sys.modules}))
"""


@pytest.mark.parametrize(
    ("device", "engine"), [("cpu.serial", "onnxruntime"), ("openvino.f32.serial", "openvino")]
)
def test_only_its_own_engine_is_loaded(tmp_path: Path, device: str, engine: str) -> None:
    if engine == "openvino":
        pytest.importorskip("openvino", reason="devices of OpenVINO need the openvino extra")
    path = tmp_path / "a.plan"
    feeds = {"x": np.zeros((2, 24), np.float32)}
    compile_model(model(), feeds=feeds, devices=[device], costs=unmeasured).save(path)
    command = [sys.executable, "-c", RUN, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["[]", f"['{engine}']"]
