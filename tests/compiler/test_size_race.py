"""Sizes of calls in turns: a larger one has to be worth it, and what is far behind has no turn."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import onnx.parser
import pytest

from stagecut.compiler import batches, compile_model, size_race
from stagecut.compiler.context import Settings
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.program import Program
from stagecut.compiler.ir.stream import StreamRun
from stagecut.compiler.measurements import Measurements
from stagecut.compiler.size_race import Sized, SizeRace
from stagecut.compiler.whole_replicas import Replicas
from stagecut.passes.partition.restrict import Restrict
from tests.support import batched

Turn: TypeAlias = Callable[[], float]

#: One in turns with another: its time over that of the other.
Ratios: TypeAlias = Mapping[tuple[int, int], float]


def _sized(size: int, part: float) -> Sized:
    seen = Replicas(None, {"cpu.serial": part * size}, {"cpu.serial": part * size})
    return Sized(size, Program.__new__(Program), seen, 1.0)


@pytest.mark.parametrize(
    ("parts", "ratios", "expected"),
    [
        ({2: 0.9, 4: 0.5}, {}, 4),
        ({2: 0.91, 4: 0.9, 8: 0.92}, {(2, 4): 0.98, (4, 8): 0.985}, 8),
        ({2: 0.91, 4: 0.9, 8: 0.92}, {(2, 4): 0.98, (4, 8): 0.995}, 4),
        ({2: 0.91, 4: 0.9, 8: 0.92}, {(2, 4): 1.01, (2, 8): 0.98}, 8),
        ({2: 0.91, 4: 0.9, 8: 0.97}, {(2, 4): 1.2}, 2),
    ],
    ids=["told apart", "larger", "not worth it", "one is skipped", "one is far behind"],
)
def test_a_larger_size_has_to_be_worth_it(
    parts: Mapping[int, float], ratios: Ratios, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    raced = []

    def in_turns(_: SizeRace, fewer: Sized, more: Sized) -> tuple[float, ...]:
        raced.append((fewer.size, more.size))
        return (ratios[raced[-1]],)

    monkeypatch.setattr(SizeRace, "_in_turns", in_turns)
    best, told = _race().best([_sized(size, part) for size, part in parts.items()])
    assert best.size == expected
    assert raced == [*ratios]
    assert len(told) == len(ratios)


def test_what_does_not_run_again_has_no_turns() -> None:
    best, told = _race().best([_sized(2, 0.9), _sized(4, 0.9)])
    assert best.size == 2
    assert told == ()


def _race() -> SizeRace:
    def refusing(_: Program) -> tuple[Measurements, object]:
        raise EngineError("it does not run")

    return SizeRace(refusing, Restrict(), Settings())  # type: ignore[arg-type]


def test_sizes_that_one_turn_does_not_tell_apart_take_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batched.let_larger_be_faster(monkeypatch)
    batched.let_single_inputs_take(1.0, monkeypatch)
    ratios = iter([(0.9,), (1.0,)])

    def alike(measurements: Measurements, *_: object) -> Replicas:
        period_s = 1e-12 * len(measurements.program.feeds["x"])
        names = {"cpu.serial": period_s}
        return Replicas(StreamRun(1, 1, period_s, (period_s,)), names, names)

    def ratios_in_turns(turns: tuple[Turn, Turn], *_: object) -> tuple[float, ...]:
        assert all(turn() > 0 for turn in turns)
        return next(ratios)

    monkeypatch.setattr(batches, "whole_replicas", alike)
    monkeypatch.setattr(size_race, "ratios_in_turns", ratios_in_turns)
    model: onnx.ModelProto = onnx.parser.parse_model(batched.HEADER + batched.ROWS)
    plan = compile_model(
        model,
        objective="throughput",
        devices=["cpu.serial"],
        shapes={"x": (1, 4)},
        settings=Settings(effort="quick", load=lambda: None),
    )
    stream = plan.first.planned.stream
    assert stream is not None
    assert stream.batch == 4
    assert stream.tried[3:5] == (
        "4 in turns with 2: 0.900 of its time",
        "8 in turns with 4: 1.000 of its time",
    )
