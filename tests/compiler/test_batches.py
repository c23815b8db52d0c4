"""Batches: only where inputs come out as they do alone, and where they were seen to be faster."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest

from stagecut.compiler import batches as batches_module
from stagecut.compiler import compile_model, variant_batches
from stagecut.compiler.batch_race import Race, Runner
from stagecut.compiler.context import Settings
from stagecut.compiler.decide_stream import DecideStream
from stagecut.compiler.formats.node_ranges import read_range
from stagecut.compiler.formats.plan_file import Plan
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.planned_stream import PlannedStream
from stagecut.compiler.ir.program import Program
from stagecut.compiler.ir.stream import StreamRun
from stagecut.compiler.measurements import Measurements
from stagecut.compiler.whole_replicas import Replicas
from stagecut.passes.partition.restrict import Restrict, parse_rule
from stagecut.runtime.session import Session
from tests.support import batched
from tests.support.batched import HEADER, ROWS

MIXED = """mixed (float[batch,4] x) => (float[batch,4] y)
    { y = Softmax<axis = 0>(x) }"""
HIDDEN = """hidden (float[batch,32] x) => (float[batch,32] y) <float one = {1}>
    { a = Abs(x)  m = ReduceMax<keepdims = 0>(a)  d = Max(m, one)  y = Div(x, d) }"""
SLOW = Replicas(None, {"cpu.serial": 1e9}, {"cpu.serial": 1e9})
FAST = Replicas(StreamRun(1, 1, 1e-12, (1e-12,)), {"cpu.serial": 1e-12}, {"cpu.serial": 1e-12})
FIXED = """rows (float[1,4] x) => (float[1,4] y)
    { y = Tanh(x) }"""


class Told:
    """What a compile warned of."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def __call__(self, warning: str) -> None:
        self.warnings.append(warning)


def _compiled(text: str, told: Told, **options: object) -> Plan:
    model: onnx.ModelProto = onnx.parser.parse_model(HEADER + text)
    return compile_model(
        model,
        objective="throughput",
        settings=Settings(effort="quick", load=lambda: None, warn=told),
        **{"devices": ["cpu.serial"], "shapes": {"x": (1, 4)}, **options},  # type: ignore[arg-type]
    )


@pytest.fixture
def larger_is_faster(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    return batched.let_larger_be_faster(monkeypatch)


def test_batches_that_are_faster(larger_is_faster: list[int]) -> None:
    told = Told()
    plan = _compiled(ROWS, told, max_batch=5)
    assert larger_is_faster == [2, 4]
    base, batched = (each.planned for each in plan.variants)
    assert [port.shape for port in batched.inputs] == [(4, 4)]
    assert base.stream is not None
    assert base.stream.batch == 4
    assert base.stream.tried[-1].startswith("stages on cpu.serial with 1 or 4 inputs in a call")
    assert base.shipped.id.batch == 4
    assert base.stream.replicas == batched.stream.replicas  # type: ignore[union-attr]
    _streams_right(plan, 23)


def test_calibrated_devices_know_the_ranges_of_batches(
    larger_is_faster: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every size that is tried, and of the one that takes turns with single inputs."""
    found: list[tuple[str, int, bool]] = []
    tried = batches_module.whole_replicas  # type: ignore[attr-defined]
    race = variant_batches.raced  # type: ignore[attr-defined]

    def note(kind: str, program: Program) -> None:
        ranges = [read_range(node) for node in program.model.graph if node.op_type == "MatMul"]
        found.append((kind, len(program.feeds["x"]), None not in ranges))

    def replicas(measurements: Measurements, *rest: Any) -> Replicas:
        note("tried", measurements.program)
        return tried(measurements, *rest)

    def turns(alone: Runner, together: Runner) -> Race | None:
        assert together.full is not None
        for each in (alone, together, together.full):
            note("turns", each.measurements.program)
        return race(alone, together)

    monkeypatch.setattr(batches_module, "whole_replicas", replicas)
    monkeypatch.setattr(variant_batches, "raced", turns)
    static = "cpu.int8-static.serial"
    _compiled(ROWS, Told(), max_batch=4, devices=[static], tolerance=0.5)
    assert found == [
        ("tried", 2, True),
        ("tried", 4, True),
        ("turns", 1, True),
        ("turns", 1, True),
        ("turns", 4, True),
    ]


def test_the_usual_size(larger_is_faster: list[int]) -> None:
    _compiled(ROWS, Told())
    assert larger_is_faster == [2, 4, 8]


def test_no_batches_where_none_are_wished_for(larger_is_faster: list[int]) -> None:
    plan = _compiled(ROWS, Told(), max_batch=1)
    assert larger_is_faster == []
    assert len(plan.variants) == 1


def test_rows_that_depend_on_each_other(larger_is_faster: list[int]) -> None:
    told = Told()
    plan = _compiled(MIXED, told)
    assert larger_is_faster == []
    assert any("do not come out as they do alone" in each for each in told.warnings)
    assert plan.first.planned.stream is not None
    assert plan.first.planned.stream.batch == 1
    _streams_right(plan, 5)


def test_rows_that_depend_on_each_other_where_numbers_are_large(
    larger_is_faster: list[int],
) -> None:
    told = Told()
    feeds = {"x": np.linspace(-0.9, 0.9, 32, dtype=np.float32).reshape(1, 32)}
    _compiled(HIDDEN, told, feeds=feeds, shapes=None)
    assert larger_is_faster == []
    assert any("do not come out as they do alone" in each for each in told.warnings)


@pytest.mark.parametrize(("asked", "warned"), [(None, False), (1, False), (4, True)])
def test_a_batch_that_is_fixed(asked: int | None, warned: bool) -> None:
    told = Told()
    plan = _compiled(FIXED, told, max_batch=asked)
    assert plan.first.planned.stream is not None
    assert plan.first.planned.stream.batch == 1
    assert any("one by one" in each for each in told.warnings) == warned


def test_batches_that_are_no_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches_module, "LEAST_S", 0.0)
    runs: Iterator[Replicas] = iter([SLOW])
    monkeypatch.setattr(batches_module, "whole_replicas", lambda *_: next(runs))
    plan = _compiled(ROWS, Told(), max_batch=16)
    assert len(plan.variants) == 1
    assert next(runs, None) is None


@pytest.mark.usefixtures("larger_is_faster")
def test_a_size_that_seems_no_faster_does_not_hide_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The device gains with each size, and is the fastest with the third one only."""
    batched.let_single_inputs_take(4.0, monkeypatch)
    monkeypatch.setattr(batches_module, "least_s", lambda _: {"cpu.serial": 6.0})
    runs = iter([_slow(9.0), _slow(16.0), FAST])
    monkeypatch.setattr(batches_module, "whole_replicas", lambda *_: next(runs))
    plan = _compiled(ROWS, Told(), max_batch=8)
    assert plan.first.planned.stream is not None
    assert plan.first.planned.stream.batch == 8
    assert next(runs, None) is None


@pytest.mark.usefixtures("larger_is_faster")
def test_a_size_that_other_work_slowed_down_has_another_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beside another one of single inputs, but no third one."""
    batched.let_single_inputs_take(4.0, monkeypatch)
    runs = iter([_slow(20.0, 6.0), FAST, _slow(99.0, 1e-12), _slow(99.0, 1e-12)])
    monkeypatch.setattr(batches_module, "whole_replicas", lambda *_: next(runs))
    plan = _compiled(ROWS, Told(), max_batch=4)
    assert plan.first.planned.stream is not None
    assert plan.first.planned.stream.batch == 2
    assert next(runs, None) is None


def _slow(period_s: float, least_s: float | None = None) -> Replicas:
    least_s = period_s if least_s is None else least_s
    return Replicas(None, {"cpu.serial": period_s}, {"cpu.serial": least_s})


def test_no_batches_of_what_is_over_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """On its way, an input of this model costs more than the model."""
    monkeypatch.setattr(batches_module, "LEAST_S", 1e9)
    monkeypatch.setattr(batches_module, "whole_replicas", lambda *_: pytest.fail("it was tried"))
    assert len(_compiled(ROWS, Told()).variants) == 1


def test_single_inputs_run_where_batches_run(
    larger_is_faster: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches are kept off one device here, and single inputs off the other."""
    decide = DecideStream.__call__

    def keeping_off(self: DecideStream, measurements: Measurements, *rest: Any) -> object:
        batch = len(measurements.program.feeds["x"]) > 1
        if not any("parallel" in str(rule) for rule in self.restrict.forbids):
            off = "cpu.parallel" if batch else "cpu.serial"
            self = replace(self, restrict=Restrict((), (parse_rule(f"*={off}"),)))
        return decide(self, measurements, *rest)

    monkeypatch.setattr(DecideStream, "__call__", keeping_off)
    plan = _compiled(ROWS, Told(), max_batch=2, devices=["cpu.serial", "cpu.parallel"])
    assert larger_is_faster == [2]
    base, batched = (each.planned for each in plan.variants)
    for planned in (base, batched):
        assert set(planned.schedule.device_of.values()) == {"cpu.serial"}
    assert base.stream is not None
    assert base.stream.batch == 2
    assert any(each.id.device == "cpu.parallel" for each in base.contenders)
    _streams_right(plan, 7)


def test_batches_that_no_engine_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches_module, "whole_replicas", lambda *_: SLOW)
    assert len(_compiled(ROWS, Told()).variants) == 1


def test_a_batch_that_comes_to_nothing_leaves_the_plan_without(
    larger_is_faster: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where nothing keeps to a limit on latency that one input keeps to."""
    decide = DecideStream.__call__

    def refusing(self: DecideStream, measurements: Measurements, *rest: Any) -> object:
        if len(measurements.program.feeds["x"]) > 1:
            raise UnplaceableError("no stream keeps to it")
        return decide(self, measurements, *rest)

    monkeypatch.setattr(DecideStream, "__call__", refusing)
    told = Told()
    plan = _compiled(ROWS, told)
    assert larger_is_faster
    assert len(plan.variants) == 1
    assert "inputs are run one by one: no stream keeps to it" in told.warnings
    _streams_right(plan, 5)


def test_samples_that_the_reference_does_not_run_on(larger_is_faster: list[int]) -> None:
    """Made-up rows are ones, beyond the table: zeros are taken instead, in batches, too."""
    model = """pick (int64[batch,1] x) => (float[batch,1,2] y)
        <float[1,2] table = {1,2}>
        { y = Gather(table, x) }"""
    parsed = onnx.parser.parse_model(HEADER + model)
    settings = Settings(effort="quick", load=lambda: None, warn=Told())
    plan = compile_model(
        parsed,
        devices=["cpu.serial"],
        shapes={"x": (1, 1)},
        objective="throughput",
        max_batch=2,
        settings=settings,
    )
    assert larger_is_faster == [2]
    assert plan.first.planned.stream is not None
    assert plan.first.planned.stream.batch == 2


def test_the_proof_says_that_it_is_of_batches(larger_is_faster: list[int]) -> None:
    plan = _compiled(ROWS, Told(), max_batch=2)
    assert larger_is_faster == [2]
    assert plan.first.planned.certificate.claim.startswith("of batches of 2, ")


def test_the_plan_says_what_was_tried(larger_is_faster: list[int]) -> None:
    tried, mixed = _planned(_compiled(ROWS, Told(), max_batch=2)).tried
    assert larger_is_faster == [2]
    assert tried.startswith("2 inputs in a call: ")
    assert "on cpu.serial" in tried
    assert mixed.startswith("stages on cpu.serial with 1 or 2 inputs in a call")


def test_who_was_far_behind_has_no_turn_with_more_inputs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And takes no part in the gate of batches."""
    asked: list[set[str]] = []

    def run(*arguments: Any) -> Replicas:
        asked.append({name for name, known_s in arguments[-1].items() if known_s == math.inf})
        period_s = 1e-12 / len(asked)
        seen = {"cpu.serial": period_s, "cpu.parallel": 10.0}
        return Replicas(StreamRun(1, 1, period_s, (period_s,)), seen, seen)

    batched.let_larger_be_faster(monkeypatch)
    monkeypatch.setattr(batches_module, "whole_replicas", run)
    best, alone = batches_module.Batches.best, list[str]()

    def noted(self: batches_module.Batches) -> batches_module.Found:
        alone.extend(self.planned.schedule.device_of.values())
        return best(self)

    monkeypatch.setattr(batches_module.Batches, "best", noted)
    plan = _compiled(ROWS, Told(), max_batch=4, devices=["cpu.serial", "cpu.parallel"])
    assert asked == [set(), {"cpu.parallel"}]
    together = plan.variants[1].planned
    assert {*together.provenance.devices} == {"cpu.serial", *alone}  # which run single inputs
    assert "slower: cpu.parallel" in _planned(plan).tried[0]


def _planned(plan: Plan) -> PlannedStream:
    stream = plan.first.planned.stream
    assert stream is not None
    return stream


def _streams_right(plan: Plan, count: int) -> None:
    feeds = [{"x": np.full((1, 4), number, np.float32)} for number in range(count)]
    with Session(plan) as session:
        expected = [session.run(None, each) for each in feeds]
        for outputs, [right] in zip(session.stream(feeds), expected, strict=True):
            assert not isinstance(outputs, Exception)
            np.testing.assert_allclose(outputs[0], right, rtol=1e-5)
