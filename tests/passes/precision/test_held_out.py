"""What a plan is found to be on held-out samples."""

import numpy as np
import pytest

from stagecut.compiler.ir.metric import Metric
from stagecut.passes.precision.held_out import HeldOut, held_out_of

PAIRS = [({"y": np.array([0.9, 2.0])}, {"y": np.array([1.0, 2.0])})] * 3


def test_without_a_metric_it_is_an_error() -> None:
    found = held_out_of(PAIRS, None)
    assert found == HeldOut(pytest.approx(0.1 / 5**0.5))  # type: ignore[arg-type]
    assert found.loss == 0


def test_with_one_it_is_what_that_loses() -> None:
    feeds = ({"x": np.zeros(1)},) * 3
    metric = Metric("sum", lambda outputs, _: outputs["y"].sum(), {}, feeds)
    found = held_out_of(PAIRS, metric)
    assert found.metric == pytest.approx(8.7)
    assert found.right == pytest.approx(9.0)
    assert found.loss == pytest.approx(0.3)
    assert HeldOut(0.1, 2.0, 1.0).loss == -1
