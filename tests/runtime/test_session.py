"""A session in the place of an onnxruntime.InferenceSession."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stagecut import backends
from stagecut.compiler import Plan, compile_model
from stagecut.compiler.ir.errors import FeedError, UsageError
from stagecut.compiler.onnx_runtime import ort
from stagecut.runtime import Session
from stagecut.runtime.feeds import random_feeds
from tests.support.awake import never_asleep
from tests.support.onnx_models import MODELS
from tests.support.scattered import scattered


@pytest.fixture(scope="module")
def plan() -> Plan:
    return compile_model(
        MODELS["symbolic dimensions"].proto(),
        devices=["cpu.serial"],
        shapes=MODELS["symbolic dimensions"].shapes,
    )


def _answers(session: Any) -> list[Any]:
    """Code written for ONNX Runtime."""
    names = [port.name for port in session.get_outputs()]
    feeds = {}
    for port in session.get_inputs():
        shape = [dim if isinstance(dim, int) else 2 for dim in port.shape]
        kind = np.float32 if port.type == "tensor(float)" else np.int64
        feeds[port.name] = np.ones(shape, kind)
    options = ort.RunOptions()
    results = [
        *session.run(None, feeds),
        *session.run(names, feeds, options),
        *session.run(output_names=names, input_feed=feeds, run_options=None),
        *session.run([], feeds),
    ]
    assert session.get_providers()
    return [result.tolist() for result in results]


def test_code_that_uses_onnxruntime_runs_as_it_is(plan: Plan) -> None:
    model = MODELS["symbolic dimensions"].proto()
    assert _answers(Session(plan)) == _answers(ort.InferenceSession(model.SerializeToString()))


def test_ports_are_those_of_onnxruntime(plan: Plan) -> None:
    own = Session(plan)
    other = ort.InferenceSession(MODELS["symbolic dimensions"].proto().SerializeToString())
    for mine, theirs in (
        (own.get_inputs(), other.get_inputs()),
        (own.get_outputs(), other.get_outputs()),
    ):
        assert [(p.name, p.shape, p.type) for p in mine] == [
            (p.name, p.shape, p.type) for p in theirs
        ]


def test_what_is_wrong_with_a_call_is_said(plan: Plan) -> None:
    session = Session(plan)
    feeds: dict[str, Any] = {
        "ids": np.ones((2, 5), np.int64),
        "scale": np.ones((2, 3), np.float32),
    }
    with pytest.raises(FeedError, match="there is no output 'z'"):
        session.run(["z"], feeds)
    for names in ("y", 5, [["y"]]):
        with pytest.raises(FeedError):
            session.run(names, feeds)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="inputs: they are None"):
        session.stream(None)  # type: ignore[arg-type]
    with pytest.raises(FeedError, match="there is no input 'more'"):
        session.run(None, {**feeds, "more": feeds["ids"]})
    with pytest.raises(FeedError, match="input scale: is missing") as caught:
        session.run(None, {"ids": feeds["ids"]})
    assert "shape batchx?" in caught.value.fix
    with pytest.raises(FeedError, match="is int32, and the model reads int64"):
        session.run(None, {**feeds, "ids": feeds["ids"].astype(np.int32)})
    nothing: Any = None
    with pytest.raises(FeedError, match="is a NoneType, not a numpy array"):
        session.run(None, {**feeds, "ids": nothing})


def test_names_that_can_be_read_but_once(plan: Plan) -> None:
    session = Session(plan)
    feeds: dict[str, Any] = {
        "ids": np.ones((2, 5), np.int64),
        "scale": np.ones((2, 3), np.float32),
    }
    name = session.get_outputs()[-1].name
    [found] = session.run((each for each in [name]), feeds)  # type: ignore[arg-type]
    [expected] = session.run([name], feeds)
    np.testing.assert_array_equal(found, expected)


def test_what_the_plan_was_made_from_is_its_metadata(plan: Plan) -> None:
    session = Session(plan)
    meta = session.get_modelmeta()
    assert meta.producer_name == "stagecut"
    assert meta.graph_name == session.planned.provenance.model
    assert meta.custom_metadata_map["model_sha256"] == session.planned.provenance.model_sha256


def test_what_a_plan_does_not_have_is_said(plan: Plan) -> None:
    with pytest.raises(UsageError, match="threads and engines are part of the plan"):
        Session(plan).get_session_options()
    with pytest.raises(UsageError, match="a plan binds no buffers"):
        Session(plan).io_binding()


def test_another_machine_is_noticed(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Session(plan)
    assert own.elsewhere == ""
    monkeypatch.setattr("stagecut.runtime.session.usable_cpus", lambda: 64)
    assert own.elsewhere.endswith("with 64 CPUs: compiled here it may be faster")


@pytest.fixture(scope="module")
def on_all_engines() -> Session:
    """Stages on every engine there is, with all threads."""
    wanted = ("openvino.f32", "cpu.parallel")
    devices = [name for name in wanted if name in backends.real_devices()]
    session = Session(compile_model("zoo:tiny-bert", devices=devices, costs=scattered(3)))
    assert set(session.get_providers()) == set(devices)
    session.run(None, random_feeds(session.planned.inputs, 0))
    return session


def test_threads_do_not_spin_while_nothing_runs(on_all_engines: Session) -> None:
    on_all_engines.run(None, random_feeds(on_all_engines.planned.inputs, 0))
    assert not never_asleep()


def test_the_callers_affinity_is_as_it_was() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        model = "zoo:tiny-bert"
        devices = backends.real_devices()
        session = Session(compile_model(model, devices=devices, costs=scattered(0)))
        session.run(None, random_feeds(session.planned.inputs, 0))
        assert os.sched_getaffinity(0) == {min(allowed)}
    finally:
        os.sched_setaffinity(0, allowed)


def test_callers_bring_the_only_further_threads(on_all_engines: Session) -> None:
    feeds = random_feeds(on_all_engines.planned.inputs, 0)
    expected = on_all_engines.run(None, feeds)[0]
    before = _threads()

    def call(turn: int) -> int:
        found = on_all_engines.run(None, feeds)[0]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        return _threads()

    with ThreadPoolExecutor(8) as callers:
        most = max(callers.map(call, range(64)))
    assert most <= before + 8


def _threads() -> int:
    """Of this process, engines' own among them."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())
