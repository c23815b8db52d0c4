"""Streams whose stages differ in how many inputs they take: found, checked, shipped, and told."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.context import Settings
from stagecut.compiler.formats.plan_file import Plan
from stagecut.runtime.session import Session
from tests.support.batched import HEADER
from tests.support.command_line import Said, stagecut
from tests.support.mixed import let_mixed_be_faster
from tests.support.resealed import resealed
from tests.support.short_turns import take_short_turns

WEIGHTS = (
    "<float[4,4] w = {1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7}, float[4,3] v = {1,2,3,4,5,6,7,8,9,1,2,3}"
)
#: Rows of the batch stay rows.
ROWS = f"""rows (float[batch,4] x) => (float[batch,3] y) {WEIGHTS}>
    {{ s = MatMul(x, w)  a = Sigmoid(s)  y = MatMul(a, v) }}"""
#: What the first two nodes hand on has the batch on its second axis.
TURNED = f"""turned (float[batch,4] x) => (float[batch,3] y) {WEIGHTS}>
    {{ s = MatMul(x, w)  t = Transpose<perm = [1, 0]>(s)
       u = Transpose<perm = [1, 0]>(t)  y = MatMul(u, v) }}"""
#: What the first three hand on has the numbers of all inputs in turns.
IN_TURNS = f"""turns (float[batch,4] x) => (float[batch,3] y) {WEIGHTS},
    int64[1] flat = {{-1}}, int64[2] four = {{4, -1}}>
    {{ s = MatMul(x, w)  t = Transpose<perm = [1, 0]>(s)  f = Reshape(t, flat)
       u = Reshape(f, four)  r = Transpose<perm = [1, 0]>(u)  y = MatMul(r, v) }}"""


@pytest.fixture(autouse=True)
def short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    take_short_turns(monkeypatch)


def _compiled(text: str, devices: tuple[str, ...] = ("cpu.serial",), **rules: list[str]) -> Plan:
    model: onnx.ModelProto = onnx.parser.parse_model(HEADER + text)
    return compile_model(
        model,
        shapes={"x": (1, 4)},
        devices=[*devices],
        objective="throughput",
        granularity="op",
        max_batch=4,
        settings=Settings(effort="quick", load=lambda: None, warn=lambda _: None),
        **rules,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def plan() -> Plan:
    with pytest.MonkeyPatch.context() as patch:
        take_short_turns(patch)
        let_mixed_be_faster(patch)
        return _compiled(ROWS)


def test_it_ships_where_it_is_faster(plan: Plan) -> None:
    alone, full = (each.planned for each in plan.variants)
    assert alone.stream is not None
    assert alone.stream.batches == (1, 4)
    assert [port.shape for port in full.inputs] == [(4, 4)]
    assert alone.schedule == full.schedule
    assert str(alone.shipped.id) == "optimum, batches 1 > 4"
    assert alone.shipped.accounting == "measured"
    assert alone.stream.period_s == pytest.approx(1.05, rel=1e-3)  # as it was seen
    assert alone.certificate.total == alone.stream.period_s
    assert alone.stream.tried[-1].startswith("stages on cpu.serial with 1 or 4 inputs in a call")
    assert alone.stream.tried[-1].endswith("in turns 50.0% faster than what was the best")
    assert {contender.id.batches for contender in alone.contenders} >= {(), (4,), (1, 4)}


def test_outputs_are_those_of_single_inputs(plan: Plan) -> None:
    rng = np.random.default_rng(0)
    inputs = [{"x": rng.standard_normal((1, 4)).astype(np.float32)} for _ in range(57)]
    with Session(plan) as session:
        outputs = [*session.stream(inputs)]
        stages = session.stats().stages
        for found, feeds in zip(outputs, inputs, strict=True):
            np.testing.assert_allclose(found[0], session.run(None, feeds)[0], rtol=1e-5)
    assert {*stages[0].batches} == {1}
    assert {*stages[1].batches} <= {1, 4}


def test_what_it_says_is_checked(
    plan: Plan,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def check(path: Path) -> Said:
        asked = ("partition", path, "--objective", "throughput", "--check", path)
        return stagecut(capsys, monkeypatch, *asked)

    path = tmp_path / "mixed.plan"
    plan.save(path)
    first, second = check(path).out.splitlines()
    assert first.startswith("x 1x4: certificate accepted")
    assert second.startswith("x 4x4: certificate accepted")
    assert "the stream has it" in first

    def changed(change: Callable[[dict[str, Any]], object]) -> Path:
        def first_stream(document: dict[str, Any]) -> None:
            change(document["entries"]["main"]["variants"][0]["stream"])

        return resealed(tmp_path / "changed.plan", plan.archive, {}, first_stream)

    for change in (
        lambda stream: stream.update(batches=[4, 1]),
        lambda stream: stream.update(replicas=[1, 2]),
        lambda stream: stream.update(period_s=0.5),
        lambda stream: stream.update(latency_s=0.5),
    ):
        said = check(changed(change))
        assert "is not what is proved" in said.err


def test_the_report_says_how_many_inputs_each_stage_takes(
    plan: Plan,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "mixed.plan"
    plan.save(path)
    said = stagecut(capsys, monkeypatch, "report", path, "--json")
    assert said.code == 0, said.err
    document = json.loads(said.out)
    assert document["summary"]["streaming"]["batches"] == [1, 4]
    said = stagecut(capsys, monkeypatch, "report", path)
    assert "1 → 4 inputs in a call" in " ".join(said.out.split())


def test_who_loses_in_turns_does_not_ship(monkeypatch: pytest.MonkeyPatch) -> None:
    let_mixed_be_faster(monkeypatch, ratio=1.25)
    alone, _ = (each.planned for each in _compiled(ROWS).variants)
    assert alone.stream is not None
    assert alone.stream.batches == (4,)
    assert "in turns with what ships 25.0% slower" in alone.stream.tried[-1]
    assert alone.contenders[-1].id.batches == (1, 4)


#: The model, and its first nodes that take one input -> why that is not run.
REFUSED = {
    "turned round": (TURNED, 2, "t is not stacked on its first axis in batches"),
    "in turns": (IN_TURNS, 3, "what stage 0 hands on is not stacked in batches: value 1 is off by"),
}


@pytest.mark.parametrize(("text", "first", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_put_together_is_not_run(
    text: str, first: int, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_mixed_be_faster(monkeypatch, first)
    alone, _ = (each.planned for each in _compiled(text).variants)
    assert alone.stream is not None
    assert alone.stream.batches == (4,)
    assert f"not run: {why}" in alone.stream.tried[-1]


@pytest.mark.parametrize(
    "rules",
    [{}, {"pins": ["MatMul_1=cpu.serial"]}, {"forbids": ["*=cpu.parallel"]}],
    ids=["no rules", "a pin", "a forbid"],
)
def test_what_it_was_ruled_by_does_not_stand_in_the_way_of_reading_it(
    rules: dict[str, list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    let_mixed_be_faster(monkeypatch)
    plan = _compiled(ROWS, ("cpu.serial", "cpu.parallel"), **rules)
    alone = plan.variants[0].planned
    assert alone.stream is not None
    assert alone.stream.batches == (1, 4)
    path = tmp_path / "s.plan"
    plan.save(path)
    for asked in (
        ("partition", path, "--objective", "throughput", "--check", path),
        ("report", path, "--nodes"),
        ("report", path, "--shape", "x=4x4", "--nodes"),
    ):
        said = stagecut(capsys, monkeypatch, *asked)
        assert said.code == 0, said.err
