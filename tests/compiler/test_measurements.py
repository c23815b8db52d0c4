"""One program, ready to be measured."""

from collections.abc import Callable

import numpy as np

from stagecut.compiler.measurements import Measurements
from tests.support.onnx_models import MODELS
from tests.support.reference import run_reference


def test_the_reference_is_the_whole_model(measure: Callable[..., Measurements]) -> None:
    measured = measure()
    feeds = measured.program.feeds
    [expected] = run_reference(MODELS["residual"].proto(), feeds)
    reference = measured.answers.reference
    found = reference.outputs(reference.sets[0])["y"]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
