"""A metric of the user's own: what it is handed, and what is wrong with some."""

import sys

import numpy as np
import pytest

from stagecut.compiler.ir.errors import MetricError
from stagecut.compiler.ir.metric import Metric, MetricFunction

DATA = {"x": np.zeros((2, 3)), "label": np.array([1, 0])}
OUTPUTS = [{"y": np.array([0.1, 0.9])}, {"y": np.array([0.2, 0.8])}]


def _metric(function: MetricFunction) -> Metric:
    return Metric("mine:it", function, DATA, ({"x": DATA["x"][0]}, {"x": DATA["x"][1]}))


def test_it_is_handed_all_samples_at_once() -> None:
    def accuracy(outputs, data):  # type: ignore[no-untyped-def]
        assert outputs["y"].shape == (2, 2)
        return np.mean(outputs["y"].argmax(-1) == data["label"])

    assert _metric(accuracy)(OUTPUTS) == 0.5


@pytest.mark.parametrize("number", [1, np.float32(1), np.array(1.0)])
def test_numbers_of_all_kinds(number: object) -> None:
    assert _metric(lambda *_: number)(OUTPUTS) == 1.0


class _Speechless:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


BAD = {
    "a text": (lambda *_: "good", "it returned 'good', which is no number"),
    "nothing": (lambda *_: None, "it returned None"),
    "no number": (lambda *_: float("nan"), "it returned nan"),
    "many": (lambda *_: np.ones(3), "it returned array"),
    "an error": (lambda *_: 1 / 0, "it raised ZeroDivisionError: division by zero"),
    "a number that no float holds": (lambda *_: 10**400, "no number that can be compared"),
    "what cannot be told": (lambda *_: _Speechless(), "it returned a _Speechless"),
    "the end of the process": (lambda *_: sys.exit(0), "it raised SystemExit: 0"),
    "a missing label": (lambda _, data: data["labels"], "it raised KeyError: 'labels'"),
}


@pytest.mark.parametrize(("function", "problem"), BAD.values(), ids=BAD.keys())
def test_what_is_no_metric(function: MetricFunction, problem: str) -> None:
    with pytest.raises(MetricError, match=problem) as caught:
        _metric(function)(OUTPUTS)
    assert caught.value.where.startswith("metric mine:it")


def test_it_says_where_it_raised() -> None:
    with pytest.raises(MetricError) as caught:
        _metric(lambda *_: 1 / 0)(OUTPUTS)
    assert "test_metric.py:" in caught.value.where


def test_outputs_of_several_shapes() -> None:
    with pytest.raises(MetricError, match="output y has another shape on each sample"):
        _metric(lambda *_: 1.0)([{"y": np.ones(2)}, {"y": np.ones(3)}])
