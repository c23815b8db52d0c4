"""One by one against batches, in turns: the ratio of each round decides."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx.parser
import pytest

from stagecut import backends
from stagecut.compiler import batch_race, compile_model
from stagecut.compiler.answers import Answers
from stagecut.compiler.batch_race import Race, Runner, raced
from stagecut.compiler.context import CompileContext, Effort, Settings
from stagecut.compiler.formats.weights import write_weights
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.device import Backend, Feeds, StagedSchedule
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.stream import Hosting, StreamRun
from stagecut.compiler.measurements import Measurements
from stagecut.runtime.executor import Executor
from stagecut.runtime.processes.processes import Processes
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


def _with_batches(runner: Runner, hosting: Hosting = "threads") -> Runner:
    """Of two."""
    planned = runner.planned
    assert planned.stream is not None
    stream = replace(planned.stream, batches=(2,), hosting=hosting)
    return replace(runner, planned=replace(planned, stream=stream), full=runner)


def _with_effort(runner: Runner, effort: Effort) -> Runner:
    known = runner.measurements
    settings = replace(known.context.settings, effort=effort)
    context = replace(known.context, settings=settings)
    return replace(runner, measurements=replace(known, context=context))


def _raced(
    runner: Runner, periods_s: Iterable[float], monkeypatch: pytest.MonkeyPatch
) -> Race | None:
    """Of the runner against batches of two; periods are those of an input, in turns."""
    asked: list[tuple[tuple[int, ...], int]] = []
    turns = iter(periods_s)

    def run(stream: FullStream, feeds: Feeds, seconds: float) -> StreamRun:
        asked.append((stream.batches, stream.least))
        period_s = next(turns)
        return StreamRun(1, 1, period_s, (period_s,))

    monkeypatch.setattr(FullStream, "run", run)
    found = raced(runner, _with_batches(runner))
    assert asked[:2] == [((1,), 4), ((2,), 2)]
    return found


def test_batches_that_are_faster_in_each_round(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though single inputs of the last round are faster than batches of the first."""
    found = _raced(runner, [3.0, 2.5, 2.0, 1.75, 1.0, 0.75], monkeypatch)
    assert found is not None
    assert found.ratios == (5 / 6, 3.5 / 4, 1.5 / 2)
    assert found.is_faster
    assert found.alone.median_s == 2.0
    assert found.together.median_s == 1.75


def test_batches_that_are_not_faster_in_some_round(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _raced(runner, [3.0, 2.5, 2.0, 1.75, 1.0, 1.05], monkeypatch)
    assert found is not None
    assert not found.is_faster


@pytest.mark.parametrize(
    ("ratios", "rounds"),
    [
        pytest.param([0.9] * 17, 6, id="clear after a few"),
        pytest.param([1.1] * 17, 6, id="clearly slower"),
        pytest.param([1.1] + [0.9] * 16, 9, id="one round that was odd"),
        pytest.param([0.9, 1.1] * 8 + [0.9], 17, id="as good as each other"),
    ],
)
def test_rounds_go_on_until_it_is_clear(
    ratios: Sequence[float], rounds: int, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = _with_effort(runner, "normal")
    found = _raced(patient, [each for ratio in ratios for each in (1.0, ratio)], monkeypatch)
    assert found is not None
    assert len(found.ratios) == rounds


#: Ratios of rounds that never became clear -> whether single inputs are not as good.
UNCLEAR = {
    "3 % faster, in some rounds slower": ([0.93, 1.01, 0.97] * 6, True),
    "1 % faster": ([0.94, 1.03, 0.99] * 6, False),
    "in the median alone": ([0.9, 1.1] * 8 + [0.9], False),
    "on average alone": ([0.8, 1.01, 1.01] * 6, False),
    "after a few rounds": ([0.93, 1.01, 0.97], False),
}


@pytest.mark.parametrize(("ratios", "faster"), UNCLEAR.values(), ids=UNCLEAR.keys())
def test_what_never_becomes_clear_is_chosen_as_in_any_gate(
    ratios: Sequence[float], faster: bool, runner: Runner
) -> None:
    shipped = runner.planned.shipped
    assert Race(shipped, shipped, tuple(ratios[:17])).is_faster == faster


def test_processes_take_part_and_end(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Single inputs in one, batches in another one."""
    open_: list[Processes] = []

    class Watched(Processes):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            open_.append(self)

        def close(self) -> None:
            super().close()
            open_.remove(self)

    seen: list[int] = []

    def run(stream: FullStream, feeds: Feeds, seconds: float) -> StreamRun:
        seen.append(len(open_))
        return StreamRun(1, 1, 1.0, (1.0,))

    monkeypatch.setattr(batch_race, "Processes", Watched)
    monkeypatch.setattr(FullStream, "run", run)
    assert raced(runner, _with_batches(runner, "processes")) is not None
    assert set(seen) == {2}
    assert open_ == []


def test_no_race_where_an_engine_fails(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(stream: FullStream, feeds: Feeds, seconds: float) -> StreamRun:
        raise EngineError("does not run")

    monkeypatch.setattr(FullStream, "run", run)
    assert raced(runner, _with_batches(runner)) is None


@pytest.mark.parametrize("where", ["what ships", "the variant"])
def test_each_runs_as_it_is_configured(
    where: str, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Single inputs beside batches that ship in another configuration do not; a variant does."""
    asked: list[Mapping[str, Backend] | None] = []
    build = Answers.build

    def note(
        answers: Answers,
        staged: StagedSchedule,
        outputs: Sequence[str],
        engines: Mapping[str, Backend] | None = None,
    ) -> Executor:
        asked.append(engines)
        return build(answers, staged, outputs, engines)

    planned = runner.planned
    configured = "cpu.serial:watts_per_thread=5"
    if where == "the variant":
        known = replace(planned.provenance, devices={"cpu.serial": configured})
        other = replace(planned, provenance=known)
    else:
        id_ = replace(planned.shipped.id, device="cpu.serial", configuration="watts_per_thread=5")
        rest = [each for each in planned.contenders if not each.chosen]
        other = replace(planned, contenders=(replace(planned.shipped, id=id_), *rest))
    monkeypatch.setattr(Answers, "build", note)
    with ExitStack() as stack:
        replace(runner, planned=other).stream(stack)
    [engines] = asked
    assert (engines is not None) == (where == "the variant")
