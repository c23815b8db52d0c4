"""Streams of real plans: outputs are those of `run`, whatever the shapes, batches and stages."""

import asyncio
import itertools
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from stagecut import backends
from stagecut.compiler import Plan, compile_model
from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.errors import (
    ClosedError,
    CrashFault,
    EngineError,
    FeedError,
    OverloadError,
    PlanError,
    UsageError,
)
from stagecut.compiler.ir.stream import Hosting
from stagecut.runtime import Session
from stagecut.runtime.stream.pipeline import Overload
from stagecut.runtime.stream.results import OnError
from tests.support import hosted
from tests.support.scattered import scattered
from tests.support.small_plans import KINDS, model
from tests.support.streamed import streamed

#: Replicas of each stage that there is, and the batch.
STREAMS = {"one replica": (1, 1), "three replicas": (3, 1), "batches": (2, 4)}


def _plan(kind: str) -> Plan:
    proto, devices = model(), KINDS[kind]
    feeds = {"x": np.zeros((2, 24), np.float32)}
    return compile_model(proto, feeds=feeds, devices=devices, costs=scattered(3), granularity="op")


@pytest.fixture(scope="module")
def plans() -> dict[str, Plan]:
    here = [*backends.real_devices(), "pim.hbm"]
    return {kind: _plan(kind) for kind, devices in KINDS.items() if {*devices} <= {*here}}


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert not [each for each in threading.enumerate() if each.name.startswith("stagecut")]


def _session(folder: Path, plan: Plan, replicas: int = 2, batch: int = 1) -> Session:
    stages = len(plan.first.planned.stages)
    path, batches = folder / "s.plan", (batch,) * stages
    return Session(streamed(path, plan, (replicas,) * stages, batches=batches))


def _inputs(count: int) -> list[Feeds]:
    rng = np.random.default_rng(0)
    rows = itertools.cycle((2, 2, 2, 1, 3, 2, 2, 7))
    return [
        {"x": rng.standard_normal((size, 24)).astype(np.float32)}
        for size in itertools.islice(rows, count)
    ]


def _assert_alike(found: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", STREAMS)
def test_outputs_are_those_of_run_at_any_shape_and_in_order(
    plans: dict[str, Plan], tmp_path: Path, kind: str, stream: str
) -> None:
    if kind not in plans:
        pytest.skip("a device is missing")
    inputs = _inputs(60)
    with _session(tmp_path, plans[kind], *STREAMS[stream]) as session:
        outputs = [*session.stream(iter(inputs))]
        for found, feeds in zip(outputs, inputs, strict=True):
            assert isinstance(found, list)
            _assert_alike(found, session.run(None, feeds))
        assert session.stats().outputs == 60


def test_a_dictionary_may_be_used_for_the_next_input(
    plans: dict[str, Plan], tmp_path: Path
) -> None:
    inputs = _inputs(30)

    def one_after_the_other() -> Iterator[Feeds]:
        for each in inputs:
            feeds.update(each)
            yield feeds

    feeds: dict[str, Tensor] = {}
    with _session(tmp_path, plans["one device"]) as session:
        for found, each in zip(session.stream(one_after_the_other()), inputs, strict=True):
            assert isinstance(found, list)
            _assert_alike(found, session.run(None, each))


def test_batches_are_made_and_give_what_single_inputs_give(
    plans: dict[str, Plan], tmp_path: Path
) -> None:
    inputs = [feeds for feeds in _inputs(80) if len(feeds["x"]) == 2]
    with _session(tmp_path, plans["one device"], 1, 4) as session:
        futures = [session.submit(feeds) for feeds in inputs]
        for future, feeds in zip(futures, inputs, strict=True):
            _assert_alike(future.result(), session.run(None, feeds))
        [stage] = session.stats().stages
        assert sum(size * calls for size, calls in stage.batches.items()) == len(inputs)
        assert max(stage.batches) <= 4


@pytest.fixture(scope="module")
def in_fours() -> Plan:
    """Three stages, and a variant for four inputs that is cut in the same places."""
    return compile_model(
        model(),
        devices=["cpu.serial", "cpu.parallel"],
        shapes=[{"x": (2, 24)}, {"x": (8, 24)}],
        costs=scattered(6),
        granularity="op",
    )


#: The inputs in a call of each stage, and where these run.
DIFFERING: list[tuple[tuple[int, ...], Hosting]] = [
    *((batches, "threads") for batches in [*itertools.product((1, 4), repeat=3)][1:]),
    ((1, 4, 1), "processes"),
]


@pytest.mark.parametrize(("batches", "hosting"), DIFFERING)
def test_stages_may_differ_in_how_many_inputs_they_take(
    in_fours: Plan, tmp_path: Path, batches: tuple[int, ...], hosting: Hosting
) -> None:
    """Inputs of other shapes are among them."""
    assert len(in_fours.first.planned.stages) == 3
    inputs = _inputs(120)
    path = tmp_path / "s.plan"
    plan = streamed(path, in_fours, (1, 2, 1), batches=batches, hosting=hosting)
    with Session(plan) as session:
        expected = [session.run(None, feeds) for feeds in inputs]
        futures = [session.submit(feeds) for feeds in inputs]
        for future, outputs in zip(futures, expected, strict=True):
            _assert_alike(future.result(), outputs)
        stages = session.stats().stages[:3]  # inputs of seven rows have their own
    for stage, batch in zip(stages, batches, strict=True):
        assert {*stage.batches} <= {1, batch}
    seen = {size for stage, batch in zip(stages, batches, strict=True) for size in stage.batches}
    assert 4 in seen


def test_a_plan_whose_stages_cannot_hand_on_batches_is_refused(
    in_fours: Plan, tmp_path: Path
) -> None:
    whole = compile_model(
        model(), devices=["cpu.serial"], shapes=[{"x": (2, 24)}, {"x": (8, 24)}], costs=scattered(1)
    )
    with pytest.raises(PlanError, match="there is no variant for 3 inputs"):
        streamed(tmp_path / "s.plan", in_fours, (1, 1, 1), batches=(1, 3, 1))
    with pytest.raises(PlanError, match="1 stages take"):
        streamed(tmp_path / "s.plan", whole, (1,), batches=(1, 4))


def test_engines_that_have_to_know_the_sizes_are_given_them(tmp_path: Path) -> None:
    """A modelled device prepares stages for one shape only: one set for each size of a batch."""
    plan = _plan("two memories")
    inputs = [feeds for feeds in _inputs(60) if len(feeds["x"]) == 2]
    with _session(tmp_path, plan, 1, 2) as session:
        futures = [session.submit(feeds) for feeds in inputs]
        for future, feeds in zip(futures, inputs, strict=True):
            _assert_alike(future.result(), session.run(None, feeds))
        assert {*session.stats().stages[1].batches} <= {1, 2}


def test_variants_of_differing_shapes_in_one_stream(tmp_path: Path) -> None:
    proto = model()
    plan = compile_model(proto, devices=["cpu.serial"], shapes=[{"x": (2, 24)}, {"x": (16, 24)}])
    rng = np.random.default_rng(0)
    inputs: list[Feeds] = [
        {"x": rng.standard_normal((rows, 24)).astype(np.float32)} for rows in (2, 16, 2, 16, 9, 2)
    ]
    with Session(plan) as session:
        for found, feeds in zip(session.stream(inputs), inputs, strict=True):
            assert isinstance(found, list)
            _assert_alike(found, session.run(None, feeds))


def test_inputs_that_do_not_fit(plans: dict[str, Plan], tmp_path: Path) -> None:
    right = _inputs(1)[0]
    wrong = {"x": np.zeros((2, 7), np.float32)}
    with _session(tmp_path, plans["one device"]) as session:
        found = [*session.stream([right, wrong, right], on_error="yield")]
        assert [type(each) for each in found] == [list, FeedError, list]
        for take in (session.submit, session.try_submit):
            with pytest.raises(FeedError, match="x: has shape 2x7"):
                take(wrong)
        with pytest.raises(FeedError, match="the inputs are a str"):
            next(session.stream(right))  # type: ignore[arg-type]


def test_numbers_that_an_engine_cannot_hold_run_on_the_fallback_one_by_one() -> None:
    if "openvino.f32" not in backends.real_devices():
        pytest.skip("OpenVINO is missing")
    proto = model()
    plan = compile_model(proto, devices=["openvino.f32"], shapes={"x": (2, 24)})
    inputs: list[Feeds] = [{"x": np.zeros((rows, 24), np.float32)} for rows in (2, 0, 2)]
    with Session(plan) as session:
        alone = [_ending(session, feeds) for feeds in inputs]
        together = session.stream(inputs, on_error="yield")
        assert [*map(_text, together)] == [*map(_text, alone)]


def _ending(session: Session, feeds: Feeds) -> list[Tensor] | Exception:
    try:
        return session.run(None, feeds)
    except EngineError as error:
        return error


def _text(ending: list[Tensor] | Exception) -> object:
    if isinstance(ending, Exception):
        return str(ending)
    return [output.tolist() for output in ending]


def test_a_session_is_awaited(plans: dict[str, Plan], tmp_path: Path) -> None:
    inputs = _inputs(40)

    async def all_at_once(session: Session) -> list[list[Tensor]]:
        waiting = asyncio.create_task(session.run_async(inputs[0]))
        found = await asyncio.gather(*(session.run_async(feeds) for feeds in inputs))
        late = asyncio.create_task(session.run_async(inputs[0]))
        await asyncio.sleep(0)
        late.cancel()
        with pytest.raises(asyncio.CancelledError):
            await late
        await waiting
        return found

    with _session(tmp_path, plans["one device"]) as session:
        outputs = asyncio.run(all_at_once(session))
        for found, feeds in zip(outputs, inputs, strict=True):
            _assert_alike(found, session.run(None, feeds))


def test_a_session_is_closed_and_still_runs(plans: dict[str, Plan], tmp_path: Path) -> None:
    [feeds] = _inputs(1)
    session = _session(tmp_path, plans["one device"])
    future = session.submit(feeds)
    session.close()
    _assert_alike(future.result(0), session.run(None, feeds))
    with pytest.raises(ClosedError):
        session.submit(feeds)
    with pytest.raises(ClosedError):
        next(session.stream([feeds]))


def test_an_error_in_the_block_cancels_what_waits(plans: dict[str, Plan], tmp_path: Path) -> None:
    def fail(session: Session) -> None:
        with session:
            futures.extend(session.submit(each, overload="drop_newest") for each in _inputs(300))
            raise ZeroDivisionError

    futures: list[Future[list[Tensor]]] = []
    with pytest.raises(ZeroDivisionError):
        fail(_session(tmp_path, plans["one device"], 1))
    assert len(futures) == 300
    for future in futures:
        assert future.cancelled() or isinstance(future.exception(0), OverloadError | None)


def test_what_is_no_policy(plans: dict[str, Plan], tmp_path: Path) -> None:
    [feeds] = _inputs(1)
    overload: Overload = "drop"  # type: ignore[assignment]
    on_error: OnError = "ignore"  # type: ignore[assignment]
    with _session(tmp_path, plans["one device"]) as session:
        with pytest.raises(UsageError, match="'drop' is not one of block, drop_oldest"):
            session.submit(feeds, overload=overload)
        with pytest.raises(UsageError, match="'ignore' is not one of raise, yield"):
            session.stream([feeds], on_error=on_error)


def test_a_trace_of_what_every_replica_did(plans: dict[str, Plan], tmp_path: Path) -> None:
    with _session(tmp_path, plans["two memories"]) as session:
        assert len([*session.stream(_inputs(20))]) == 20
        trace = session.stream_trace()
    assert trace.stages == ("stage 0 on cpu.serial", "stage 1 on pim.hbm", "stage 2 on cpu.serial")
    assert {call.replica for call in trace.calls} <= {0, 1}
    ends = [call.end_s for call in trace.calls]
    assert ends == sorted(ends)
    assert all(call.took_s >= 0 for call in trace.calls)


def test_replicas_in_processes(tmp_path: Path) -> None:
    """One is killed on its way: only what it was at has the error."""
    plan = streamed(tmp_path / "s.plan", hosted.plan(), (2,), hosting="processes")
    inputs = [{"x": number * hosted.FEEDS["x"]} for number in range(40)]
    with Session(plan) as session:
        expected = [session.run(None, feeds) for feeds in inputs]
        assert not hosted.children()  # a single run needs none
        first = session.submit(inputs[0]).result(60)
        np.testing.assert_allclose(first[0], expected[0][0], rtol=1e-5)
        for number in hosted.children():
            os.kill(number, signal.SIGKILL)
        found = [*session.stream(inputs, on_error="yield")]
        errors = [each for each in found if isinstance(each, Exception)]
        assert len(errors) == 1
        assert isinstance(errors[0], CrashFault)
        for outputs, known in zip(found, expected, strict=True):
            if not isinstance(outputs, Exception):
                np.testing.assert_allclose(outputs[0], known[0], rtol=1e-5)
    assert not hosted.children()
    np.testing.assert_allclose(session.run(None, inputs[1])[0], expected[1][0])
