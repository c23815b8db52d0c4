"""Plans are tried at other shapes when nothing else is left of the compile."""

from typing import Any

import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.context import Settings
from stagecut.compiler.right_elsewhere import RightElsewhere
from tests.support.executors import watched
from tests.support.onnx_models import MODELS


@pytest.mark.parametrize("objective", ["latency", "throughput"])
def test_engines_are_gone_before_other_shapes_are_tried(
    objective: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for the reference: there, others are prepared with weights of their own."""
    alive: list[int] = []
    elsewhere = RightElsewhere.__call__
    with watched(monkeypatch) as executors:

        def noted(self: RightElsewhere, *arguments: Any) -> object:
            alive.append(executors.alive)
            return elsewhere(self, *arguments)

        monkeypatch.setattr(RightElsewhere, "__call__", noted)
        compile_model(
            MODELS["residual"].proto(),
            devices=["cpu.serial", "cpu.parallel"],
            objective=objective,
            settings=Settings(effort="quick", load=lambda: None, warn=lambda _: None),
        )
        assert executors.alive == 0
    assert alive == [1]
