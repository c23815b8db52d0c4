"""ONNX's own node and simple suites: what ONNX Runtime passes, stagecut passes.

Each case runs once on cpu.serial, and once with every operator on a random device that can run it.
"""

import functools
import random
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx.backend.test.loader import load_model_tests

from stagecut import backends
from stagecut.compiler.ir.device import Tensor
from stagecut.runtime.adapters import onnx as onnx_backend
from tests.support.onnx_suites import MAY_BE_OFF, NOT_COMPARED, loaded, why_not
from tests.support.scattered import scattered_costs

DEVICES = ["cpu.serial", "cpu.parallel", "null:operators=Add Mul Relu Concat"]


@functools.cache
def _cases() -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numpy, where onnx works the expected outputs out
        return {
            f"{kind}: {case.name}": loaded(case)
            for kind in ("node", "simple")
            for case in load_model_tests(kind=kind)
        }


def _devices() -> list[str]:
    return [*DEVICES, *(name for name in backends.real_devices() if name not in DEVICES)]


@functools.cache
def _passed_by_onnxruntime(name: str) -> bool:
    """Some operators, versions and types it does not have, and some expectations it misses."""
    case = _cases()[name]
    try:
        options = ort.SessionOptions()
        options.log_severity_level = 4
        session = ort.InferenceSession(case.model.SerializeToString(), options)
        names = [each.name for each in session.get_inputs()]
        for inputs, expected in case.data_sets:
            found = session.run(None, dict(zip(names, inputs, strict=False)))
            _check(case, found, expected)
    except Exception:  # whatever it is, there is nothing to be held to
        return False
    return True


def _check(
    case: Any, found: Sequence[Any], expected: Sequence[Any], *, scattered: bool = False
) -> None:
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        _check_value(case, ours, theirs, scattered=scattered)


def _check_value(case: Any, ours: Any, theirs: Any, *, scattered: bool) -> None:
    if isinstance(theirs, list):
        _check(case, ours, theirs, scattered=scattered)
        return
    if theirs is None or ours is None:
        assert ours is theirs
        return
    assert isinstance(ours, np.ndarray | np.generic)
    theirs = np.asarray(theirs)
    assert ours.dtype.kind == theirs.dtype.kind or theirs.dtype.kind in "OUS"
    assert ours.shape == theirs.shape
    if theirs.dtype.kind in "OUS":
        assert [str(text) for text in ours.ravel()] == [str(text) for text in theirs.ravel()]
        return
    atol = case.atol or 1e-7
    if scattered:
        atol, _ = MAY_BE_OFF.get((case.name, theirs.dtype.name), (atol, ""))
    np.testing.assert_allclose(
        _plain(np.asarray(ours)), _plain(theirs), rtol=case.rtol or 1e-3, atol=atol
    )


def _plain(array: Tensor) -> Tensor:
    return array.astype(np.float32) if array.dtype.kind == "V" else array


@pytest.mark.parametrize("scattered", [False, True], ids=["cpu.serial", "scattered"])
@pytest.mark.parametrize("name", _cases())
def test_a_case(name: str, scattered: bool) -> None:
    case = _cases()[name]
    reason = NOT_COMPARED.get(case.name) or why_not(case.model)
    if reason:
        pytest.skip(reason)
    if not _passed_by_onnxruntime(name):
        pytest.skip("ONNX Runtime itself does not pass it")
    model: onnx.ModelProto = case.model
    names = [value.name for value in model.graph.input]
    feeds = dict(zip(names, case.data_sets[0][0], strict=False))
    options: dict[str, Any] = {"feeds": feeds}
    if scattered:
        seed = random.Random(case.name).randrange(1 << 30)  # noqa: S311  # nothing secret
        costs = scattered_costs(model, _devices(), seed=seed, granularity="op", feeds=feeds)
        options |= {"devices": _devices(), "costs": costs, "granularity": "op"}
    prepared = onnx_backend.prepare(model, **options)
    for inputs, expected in case.data_sets:
        _check(case, prepared.run(inputs), expected, scattered=scattered)
