"""Whole replicas, a device at a time: the fastest that is right, within what it may take."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stagecut import backends
from stagecut.compiler.context import CompileContext, Settings
from stagecut.compiler.formats.weights import write_weights
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.planning_view import graph_of
from stagecut.compiler.ir.device import Feeds, Tensor
from stagecut.compiler.ir.stream import StreamRun
from stagecut.compiler.ir.trace import Trace
from stagecut.compiler.measurements import Measurements
from stagecut.compiler.whole_replicas import Replicas, whole_replicas
from stagecut.passes.expand import Expand
from stagecut.passes.gate.reference import Reference
from stagecut.passes.partition.restrict import Restrict
from stagecut.runtime.executor import Executor
from stagecut.runtime.stream.full import FullStream
from tests.support import lying
from tests.support.executors import watched
from tests.support.onnx_models import MODELS

Made = Callable[..., Measurements]

NOTHING: Mapping[str, float] = {}


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    lying.use(monkeypatch)

    def made(*specs: str) -> Measurements:
        engines = backends.create_all(specs)
        settings = Settings(effort="quick", load=lambda: None)
        context = CompileContext(
            engines, dict(zip(engines, specs, strict=True)), settings, None, ()
        )
        program = load_program(MODELS["residual"].proto())
        [weights] = write_weights([program.model], tmp_path)
        return Measurements(context, program, graph_of(program), weights)

    return made


class Turns:
    """What streams are seen to take, in the order in which they have their turns."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, periods_s: Sequence[float]) -> None:
        self.least: list[int] = []
        self._left = iter(periods_s)
        turns = self

        def run(stream: FullStream, feeds: Feeds, seconds: float) -> StreamRun:
            turns.least.append(stream.least)
            period_s = next(turns._left)
            return StreamRun(1, 1, period_s, (period_s,))

        monkeypatch.setattr(FullStream, "run", run)


def _seen(
    measurements: Measurements,
    most_s: float = 100.0,
    least: int = 2,
    before_s: Mapping[str, float] = NOTHING,
) -> Replicas:
    expanded = Expand(measurements.context.backends)(measurements.graph)
    return whole_replicas(measurements, expanded, None, Restrict((), ()), most_s, least, before_s)


def _found(measurements: Measurements, most_s: float = 100.0, least: int = 2) -> StreamRun | None:
    return _seen(measurements, most_s, least).run


def _period_s(run: StreamRun | None) -> float | None:
    return None if run is None else run.period_s


LONG = 10.0  # then there is one turn each

#: What each device took, `cpu.serial` and then the other; what is allowed; what is found.
CASES: dict[str, tuple[str, tuple[float, ...], float, float | None]] = {
    "the fastest": ("cpu.parallel", (LONG + 2, LONG + 1), 100, LONG + 1),
    "the first of two": ("cpu.parallel", (LONG + 1, LONG + 2), 100, LONG + 1),
    "none is fast enough": ("cpu.parallel", (LONG + 1, LONG + 2), LONG, None),
    "the fastest is wrong, and the other has another turn": (
        "lying:how=zeros",
        (LONG + 2, LONG + 1, LONG + 3),
        100,
        LONG + 3,
    ),
    "who is modelled has no turn": ("null:memory=pim", (LONG + 2,), 100, LONG + 2),
}


@pytest.mark.parametrize(
    ("other", "periods_s", "most_s", "expected"), CASES.values(), ids=CASES.keys()
)
def test_what_is_found(
    other: str,
    periods_s: tuple[float, ...],
    most_s: float,
    expected: float | None,
    make: Made,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turns = Turns(monkeypatch, periods_s)
    assert _period_s(_found(make("cpu.serial", other), most_s)) == expected
    assert turns.least == [2] * len(periods_s)


def test_who_is_too_slow_by_itself_has_no_turn(make: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns(monkeypatch, [])
    assert _found(make("cpu.serial"), most_s=0.0) is None
    assert turns.least == []


def test_the_fastest_before_has_the_first_turn_and_who_is_too_slow_already_has_none(
    make: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = Turns(monkeypatch, [2.0])
    before_s = {"cpu.serial": 9.0, "cpu.parallel": 1.0}
    seen = _seen(make("cpu.serial", "cpu.parallel"), most_s=3.0, before_s=before_s)
    assert _period_s(seen.run) == 2.0
    assert seen.period_s == {"cpu.parallel": 2.0, "cpu.serial": 9.0}
    assert turns.least == [2]


def test_only_the_fastest_is_held_against_the_reference(
    make: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[int] = []
    flaw = Reference.flaw

    def counted(self: Reference, *arguments: Any) -> object:
        checked.append(1)
        return flaw(self, *arguments)

    monkeypatch.setattr(Reference, "flaw", counted)
    Turns(monkeypatch, [LONG + 1, LONG + 2])
    assert _period_s(_found(make("cpu.serial", "lying:how=zeros"))) == LONG + 1
    assert checked == []  # which is the reference itself


def test_no_two_are_there_at_once(make: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the reference, and that goes with who asked for it."""
    Turns(monkeypatch, [LONG + 4, LONG + 3, LONG + 2])
    with watched(monkeypatch) as executors:
        measurements = make("cpu.serial", "cpu.parallel", "spin=cpu.parallel:waiting=spin")
        assert not measurements.answers.reference.problem
        assert _period_s(_found(measurements)) == LONG + 2
        assert executors.counts == [1, 2, 2, 2]  # the last one is checked
        del measurements
        assert executors.alive == 0


def test_other_work_does_not_make_it_too_slow(make: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run takes seconds while others have the CPUs, and itself takes next to nothing of them."""
    run = Executor.run

    def delayed(self: Executor, feeds: Feeds) -> tuple[dict[str, Tensor], Trace]:
        outputs, trace = run(self, feeds)
        return outputs, replace(trace, wall_s=1e3)

    monkeypatch.setattr(Executor, "run", delayed)
    turns = Turns(monkeypatch, [0.5])
    assert _period_s(_found(make("cpu.serial"), most_s=1.0)) == 0.5
    assert turns.least == [2]
