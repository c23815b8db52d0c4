"""One by one against batches, in turns: the ratio of each round decides."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import onnx.parser
import pytest

from stagecut import backends
from stagecut.compiler import compile_model
from stagecut.compiler.batch_race import Race, Runner, raced
from stagecut.compiler.context import CompileContext, Settings
from stagecut.compiler.formats.weights import write_weights
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.device import Feeds
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.stream import StreamRun
from stagecut.compiler.measurements import Measurements
from stagecut.runtime.stream.full import FullStream
from tests.support.batched import HEADER

#: The same for any number of rows, so that one program stands for both.
MODEL = "rows (float[2,4] x) => (float[2,4] y) { y = Tanh(x) }"
SETTINGS = Settings(effort="quick", load=lambda: None, warn=lambda _: None)


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    model = onnx.parser.parse_model(HEADER + MODEL)
    plan = compile_model(model, objective="throughput", devices=["cpu.serial"], settings=SETTINGS)
    engines = backends.create_all(["cpu.serial"])
    context = CompileContext(engines, {"cpu.serial": "cpu.serial"}, SETTINGS, None, ())
    program = load_program(model)
    folder: Path = tmp_path_factory.mktemp("weights")
    [weights] = write_weights([program.model], folder)
    return Runner(plan.first.planned, Measurements(context, program, graph_of(program), weights))


def _raced(
    runner: Runner, periods_s: Iterator[float], monkeypatch: pytest.MonkeyPatch
) -> Race | None:
    """Of the runner against batches of two; periods are those of calls, in turns."""
    asked: list[int] = []

    def run(stream: FullStream, feeds: Feeds, seconds: float) -> StreamRun:
        asked.append(stream.least)
        period_s = next(periods_s)
        return StreamRun(1, 1, period_s, (period_s,))

    monkeypatch.setattr(FullStream, "run", run)
    found = raced(runner, replace(runner, size=2))
    assert asked[:2] == [4, 2]
    return found


def test_batches_that_are_faster_in_each_round(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though single inputs of the last round are faster than batches of the first."""
    found = _raced(runner, iter([3.0, 5.0, 2.0, 3.5, 1.0, 1.5]), monkeypatch)
    assert found is not None
    assert found.ratios == (5 / 6, 3.5 / 4, 1.5 / 2)
    assert found.is_faster
    assert found.alone.median_s == 2.0
    assert found.together.median_s == 3.5


def test_batches_that_are_not_faster_in_some_round(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _raced(runner, iter([3.0, 5.0, 2.0, 3.5, 1.0, 2.1]), monkeypatch)
    assert found is not None
    assert not found.is_faster


def test_no_race_of_processes(runner: Runner) -> None:
    shipped = runner.planned.shipped
    elsewhere = replace(shipped, id=replace(shipped.id, hosting="processes"))
    planned = replace(runner.planned, contenders=(elsewhere,))
    assert raced(runner, replace(runner, planned=planned, size=2)) is None


def test_no_race_where_an_engine_fails(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(stream: FullStream, feeds: Feeds, seconds: float) -> StreamRun:
        raise EngineError("does not run")

    monkeypatch.setattr(FullStream, "run", run)
    assert raced(runner, replace(runner, size=2)) is None
