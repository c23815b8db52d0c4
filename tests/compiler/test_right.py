"""Outputs are held against what is right, whatever the program itself makes of its inputs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from stagecut.compiler.frontends.load import import_model
from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.measurements import Measurements
from stagecut.compiler.original import Original
from stagecut.compiler.right import OtherProgram, Right
from stagecut.passes.gate.reference import Reference
from tests.support.onnx_models import MODELS
from tests.support.reference import run_reference


def test_who_says_what_is_right(measure: Callable[..., Measurements], tmp_path: Path) -> None:
    itself = measure()
    model, feeds = MODELS["residual"].proto(), itself.program.feeds

    def right(who: Right | None) -> Tensor:
        reference = replace(itself, right=who).answers.reference
        return reference.outputs(reference.samples)["y"]

    [own] = run_reference(model, feeds)
    np.testing.assert_allclose(right(None), own, rtol=1e-5)
    zeros = {"y": np.zeros_like(own)}
    np.testing.assert_array_equal(
        right(OtherProgram(Reference(lambda _: zeros, feeds), "any")), zeros["y"]
    )
    for node in model.graph.node:
        node.op_type = "Neg" if node.op_type == "Relu" else node.op_type
    [other] = run_reference(model, feeds)
    assert not np.allclose(own, other)
    original = Original(import_model(model)[0], tmp_path / "original")
    np.testing.assert_allclose(right(original), other, rtol=1e-5)


def test_only_an_original_leaves_plans_an_error_of_the_models_own(
    measure: Callable[..., Measurements],
) -> None:
    """A program that was made from another one is as good as that."""
    itself = measure()
    made = replace(itself, right=itself.as_right).answers
    assert made.original is None
    assert made.own_error() == 0.0
    assert made.reference is itself.answers.reference
