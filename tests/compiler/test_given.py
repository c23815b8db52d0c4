"""A metric of the user's own decides which plan ships, and says what is wrong with itself."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.context import Settings
from stagecut.compiler.ir.errors import FeedError, MetricError, ToleranceError, UsageError
from stagecut.compiler.ir.metric import MetricFunction
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.passes.profile.synthetic import unmeasured
from tests.support.decoders import tiny_decoder
from tests.support.products import SIZE, products
from tests.support.reference import run_reference

F32, INT8, INT4 = "cpu.serial", "cpu.int8.serial", "cpu.int4.serial"
COUNT = 40


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Samples with what the model in full precision makes of them, which are the labels."""
    path = tmp_path_factory.mktemp("data") / "labelled.npz"
    x = np.random.default_rng(0).standard_normal((COUNT, 4, SIZE)).astype(np.float32)
    right = [run_reference(products(), {"x": each})[0].argmax(-1) for each in x]
    np.savez(path, x=x, label=np.stack(right))
    return path


def accuracy(outputs, data):  # type: ignore[no-untyped-def]
    return np.mean(outputs["t2"].argmax(-1) == data["label"])


def _planned(
    metric: MetricFunction | str | None,
    data: Path | None,
    model: onnx.ModelProto,
    **options: object,
) -> PlannedVariant:
    settings = Settings(effort="quick", load=lambda: None, warn=lambda _: None)
    asked = {"devices": (F32, INT8, INT4), "tolerance": 0.5, **options}
    plan = compile_model(model, metric=metric, data=data, settings=settings, **asked)  # type: ignore[arg-type]
    return plan.first.planned


def test_plans_are_held_against_what_it_may_lose(data: Path) -> None:
    precision = _planned(accuracy, data, products(), tolerance=0.05).precision
    assert precision is not None
    assert (precision.metric, precision.right) == ("accuracy", 1.0)
    assert (precision.samples, precision.held_out) == (8, COUNT - 8)
    coarse, fine = precision.of(INT4), precision.of(INT8)
    assert coarse is not None
    assert fine is not None
    assert coarse.metric is not None
    assert coarse.metric < 0.95
    assert not coarse.kept
    assert fine.metric is not None
    assert fine.metric >= 0.95
    assert fine.kept


def test_what_loses_less_than_it_may_ships_whatever_its_error(data: Path) -> None:
    precision = _planned(accuracy, data, products(), tolerance=1.0).precision
    assert precision is not None
    coarse = precision.of(INT4)
    assert coarse is not None
    assert coarse.kept
    assert len(precision.attempts) == 1


def test_a_metric_that_is_none_is_told_before_anything_is_measured(data: Path) -> None:
    with pytest.raises(MetricError, match="it raised KeyError: 'labels'"):
        _planned(lambda _, given: given["labels"], data, products())
    with pytest.raises(MetricError, match="it returned None"):
        _planned(lambda *_: None, data, products())


FAULTS = {
    "no such function": ({"metric": "tests.support.products:accuracy"}, "has no 'accuracy'"),
    "no such module": ({"metric": "no.such:metric"}, "no module 'no'"),
    "no name": ({"metric": "accuracy"}, "does not name a function"),
    "nothing that can be called": ({"metric": "tests.support.products:SIZE"}, "is a int"),
    "without data": ({"data": None}, "a metric is of labelled samples"),
    "data without a metric": ({"metric": None}, "a metric is of labelled samples"),
    "without a tolerance": ({"tolerance": None}, "yours to say"),
    "streams": ({"objective": "throughput"}, "not for streams"),
    "another process": ({"isolated": True}, "cannot be handed to another process"),
    "a decoder": ({"model": tiny_decoder()}, "not for a decoder"),
}


@pytest.mark.parametrize(("options", "problem"), FAULTS.values(), ids=FAULTS.keys())
def test_what_no_metric_is_asked_for_with(
    options: dict[str, object], problem: str, data: Path
) -> None:
    asked = {"metric": accuracy, "data": data, "model": products(), **options}
    with pytest.raises(UsageError, match=problem):
        _planned(**asked)  # type: ignore[arg-type]


BAD = {
    "no input": ({"label": np.ones(3)}, "no array is given for it"),
    "other shapes": ({"x": np.ones((3, 2, SIZE), np.float32)}, "its shape is 3x2x32"),
    "too few labels": (
        {"x": np.ones((3, 4, SIZE), np.float32), "label": np.ones(2)},
        "3 of x, 2 of label",
    ),
    "a lone label": ({"x": np.ones((1, 4, SIZE), np.float32), "label": np.array(2)}, "joined"),
}


@pytest.mark.parametrize(("arrays", "problem"), BAD.values(), ids=BAD.keys())
def test_data_of_another_model(arrays: dict[str, np.ndarray], problem: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", **arrays)  # type: ignore[arg-type]  # names are inputs
    with pytest.raises(FeedError, match=problem):
        _planned(accuracy, tmp_path / "data.npz", products())


def test_by_costs_that_are_handed_in_it_is_told_in_its_terms_that_no_plan_is_left(
    data: Path,
) -> None:
    with pytest.raises(ToleranceError, match=r"the closest plan loses 0\.\d+ of accuracy"):
        _planned(accuracy, data, products(), devices=(INT4,), tolerance=0.01, costs=unmeasured)
