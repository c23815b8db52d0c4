"""Random models, their nodes on random devices, answer as ONNX Runtime does."""

from typing import Any

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from stagecut import backends
from stagecut.compiler import compile_model
from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.onnx_runtime import ort
from stagecut.passes.cluster.cluster import Granularity
from stagecut.runtime import Session
from tests.support.random_onnx import RandomModel, random_models
from tests.support.scattered import scattered

DEVICES = [name for name in ("cpu.serial", "openvino.f32") if name in backends.real_devices()]


@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(
    granularity=st.sampled_from(("cluster", "op")), model=random_models(), seed=st.integers(0, 3)
)
def test_a_random_model_answers_as_in_onnxruntime(
    granularity: Granularity, model: RandomModel, seed: int
) -> None:
    reference = _reference(model)
    feeds = model.feeds(model.sizes[0])
    assume(reference is not None and _answers(reference, feeds) is not None)
    costs = scattered(seed)
    plan = compile_model(
        model.proto, devices=DEVICES, costs=costs, feeds=feeds, granularity=granularity
    )
    session = Session(plan)
    for size in model.sizes:
        feeds = model.feeds(size)
        expected = _answers(reference, feeds)
        if expected is not None:
            _assert_close(session.run(None, feeds), expected)


def _reference(model: RandomModel) -> Any:
    """None where ONNX Runtime itself refuses the model.

    It runs every node: folding hides the ones that would refuse a size.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return ort.InferenceSession(model.proto.SerializeToString(), options)
    except Exception:  # its errors have no narrower class in common
        return None


def _answers(reference: Any, feeds: Feeds) -> list[Tensor] | None:
    """None where ONNX Runtime cannot run at these sizes."""
    try:
        found: list[Tensor] = reference.run(None, dict(feeds))
    except Exception:  # its errors have no narrower class in common
        return None
    return found


def _assert_close(found: list[Tensor], expected: list[Tensor]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        if one.dtype.kind == "f":
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
        else:
            np.testing.assert_array_equal(one, other)
