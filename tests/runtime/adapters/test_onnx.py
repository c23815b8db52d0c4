"""ONNX's own node and simple suites: what ONNX Runtime passes, stagecut passes.

Each case runs once: every eighth with every operator on a random device that can run it, all others
as anybody runs the suite, with nothing handed in.
"""

import functools
import random
import string
import traceback
import unittest
import warnings
import zlib
from collections.abc import Callable, Sequence
from typing import Any, cast
from unittest import mock

import numpy as np
import onnx
import pytest
from onnx.backend.test import BackendTest, runner
from onnx.backend.test.loader import load_model_tests

from stagecut import backends
from stagecut.compiler.ir.device import Tensor
from stagecut.compiler.ir.errors import ModelError
from stagecut.compiler.onnx_runtime import ort
from stagecut.runtime.adapters import onnx as onnx_backend
from tests.support.onnx_suites import MAY_BE_OFF, NOT_COMPARED, loaded, why_not
from tests.support.scattered import scattered

DEVICES = ["cpu.serial", "cpu.parallel", "null:operators=Add Mul Relu Concat"]


_load = functools.cache(load_model_tests)


@functools.cache
def _cases() -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numpy, where onnx works the expected outputs out
        return {
            f"{kind}: {case.name}": loaded(case)
            for kind in ("node", "simple")
            for case in _load(kind=kind)
        }


@functools.cache
def _suite() -> dict[str, unittest.TestCase]:
    """ONNX's own tests, by the names of the cases; they share the models that are loaded above."""
    asked = functools.cache(onnx_backend.supports_device)  # of two devices, for each case
    with (
        mock.patch.object(runner, "load_model_tests", _load),
        mock.patch.object(onnx_backend, "supports_device", asked),
    ):
        classes = BackendTest(cast("Any", onnx_backend), __name__).test_cases
    found = {}
    for kind in ("node", "simple"):
        tests = classes[f"OnnxBackend{kind.title()}ModelTest"]
        for name in unittest.defaultTestLoader.getTestCaseNames(tests):
            found[f"{kind}: {name.removesuffix('_cpu')}"] = tests(name)
    return found


@functools.cache
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


def _check(case: Any, found: Sequence[Any], expected: Sequence[Any]) -> None:
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        _check_value(case, ours, theirs)


def _check_value(case: Any, ours: Any, theirs: Any) -> None:
    if isinstance(theirs, list):
        _check(case, ours, theirs)
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
    atol, _ = MAY_BE_OFF.get((case.name, theirs.dtype.name), (case.atol or 1e-7, ""))
    np.testing.assert_allclose(
        _plain(np.asarray(ours)), _plain(theirs), rtol=case.rtol or 1e-3, atol=atol
    )


def _plain(array: Tensor) -> Tensor:
    return array.astype(np.float32) if array.dtype.kind == "V" else array


def _is_compared(name: str) -> bool:
    case = _cases()[name]
    if case.name in NOT_COMPARED or why_not(case.model):
        return False
    return _passed_by_onnxruntime(name)


def _begins_with(letter: str, *, scattered: bool) -> list[str]:
    """The names of the cases that are compared, and are scattered or are not."""
    return [
        name
        for name, case in _cases().items()
        if _letter(case) == letter and _is_scattered(name) == scattered and _is_compared(name)
    ]


def _is_scattered(name: str) -> bool:
    """Every eighth, always the same ones."""
    return zlib.crc32(name.encode()) % 8 == 0


def _letter(case: Any) -> str:
    return str(case.name).removeprefix("test_")[0]


def _assert_all(check: Callable[[str], None], names: Sequence[str]) -> None:
    """Each is checked, and those that fail are told together. The suite skips what a backend says
    that it cannot run, which fails, too: ONNX Runtime passes all of these."""
    failed = []
    for name in names:
        try:
            check(name)
        except Exception:  # whatever goes wrong with a case, a SkipTest among it
            failed.append(f"{name}\n{traceback.format_exc()}")
    assert not failed, "\n".join([f"{len(failed)} of {len(names)} fail", *failed])


#: Cases are a test for each first letter of their names: to make them takes ten seconds, which only
#: the process that runs them spends.
LETTERS = string.ascii_lowercase


def test_every_case_has_a_letter_and_most_are_compared() -> None:
    assert {_letter(case) for case in _cases().values()} <= {*LETTERS}
    compared = [name for name in _cases() if _is_compared(name)]
    assert len(compared) > len(_cases()) / 2 > 600


@pytest.mark.parametrize("error", [AssertionError, unittest.SkipTest])
def test_all_are_checked_and_those_that_fail_are_told(error: type[Exception]) -> None:
    checked = []

    def check(name: str) -> None:
        checked.append(name)
        if name != "b":
            raise error(f"not {name}")

    with pytest.raises(AssertionError, match=r"(?s)2 of 3 fail\n *a\n.*not a\n *\n *c\n.*not c"):
        _assert_all(check, ["a", "b", "c"])
    assert checked == ["a", "b", "c"]


@pytest.mark.parametrize("letter", LETTERS)
def test_cases_through_the_plain_interface(letter: str) -> None:
    _assert_all(lambda name: _suite()[name].debug(), _begins_with(letter, scattered=False))


@pytest.mark.parametrize("letter", LETTERS)
def test_cases_scattered_over_devices(letter: str) -> None:
    _assert_all(_check_scattered, _begins_with(letter, scattered=True))


def _check_scattered(name: str) -> None:
    case = _cases()[name]
    model: onnx.ModelProto = case.model
    names = [value.name for value in model.graph.input]
    feeds = dict(zip(names, case.data_sets[0][0], strict=False))
    seed = random.Random(case.name).randrange(1 << 30)  # noqa: S311  # nothing secret
    prepared = onnx_backend.prepare(
        model, feeds=feeds, devices=_devices(), costs=scattered(seed), granularity="op"
    )
    for inputs, expected in case.data_sets:
        _check(case, prepared.run(inputs), expected)


def test_what_a_plan_cannot_hand_back_is_refused() -> None:
    model = onnx.parser.parse_model(
        """<ir_version: 9, opset_import: ["": 18]>
        g (float[2] x) => (float[2] y, seq(float[2]) z) { y = Neg(x)  z = SequenceConstruct(x) }"""
    )
    assert not onnx_backend.is_compatible(model)
    with pytest.raises(ModelError, match="output z: is a sequence"):
        onnx_backend.prepare(model)
    with pytest.raises(ModelError, match="output z: is a sequence"):
        onnx_backend.run_model(model, [np.ones(2, np.float32)])


def test_inputs_that_make_no_sense_are_not_needed() -> None:
    """An index of 1, which is made up, is too large for a table of one row."""
    model = onnx.parser.parse_model(
        """<ir_version: 9, opset_import: ["": 18]>
        g (float[1,2] x, int64[n] i) => (float[n,2] y) { y = Gather(x, i) }"""
    )
    prepared = onnx_backend.prepare(model)
    x, zeros = np.ones((1, 2), np.float32), np.zeros(3, np.int64)
    assert prepared.run([x, zeros])[0].shape == (3, 2)
    [found] = prepared.run({"x": x, "i": zeros[:1]})
    assert found.shape == (1, 2)
    assert onnx_backend.run_model(model, [x, zeros])[0].shape == (3, 2)


def test_single_nodes() -> None:
    node = onnx.helper.make_node("Add", ["a", "b"], ["c"])
    one = np.ones(2, np.float32)
    assert onnx_backend.run_node(node, [one, one])[0].tolist() == [2, 2]
    assert onnx_backend.supports_device("CPU")
    assert not onnx_backend.supports_device("CUDA")
