"""Streams that take part: replicas in threads and in processes, earlier answers of the solver."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from stagecut import backends
from stagecut.compiler import compile_model, effort, stream_entry, stream_field
from stagecut.compiler.answers import Answers
from stagecut.compiler.context import Settings
from stagecut.compiler.ir.contender import Contender
from stagecut.compiler.ir.device import Backend, Executable, Feeds, StagedSchedule, Tensor
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.ir.stream import StreamRun
from stagecut.compiler.measure.cpus import usable_cpus
from stagecut.compiler.readied import Readied
from stagecut.compiler.stream_entry import Entry
from stagecut.compiler.stream_field import StreamField
from stagecut.passes.gate.build import Built
from stagecut.passes.gate.gate import choose
from stagecut.passes.gate.stream_gate import BuiltStream, StreamGate, Turn
from stagecut.runtime.executor import Executor
from stagecut.runtime.prepare import prepare_stages
from tests.support.executors import watched
from tests.support.onnx_models import MODELS

pytestmark = pytest.mark.skipif(usable_cpus() < 2, reason="there are no replicas on one CPU")

RESIDUAL = MODELS["residual"].proto()
SERIAL = backends.create_all(["cpu.serial"])


class Processes:
    """Runs stages in this process; notes what it is asked for, and whether it was closed."""

    def __init__(self, change: Callable[[Executable], Executable]) -> None:
        self.asked: list[bool] = []
        self.closed = 0
        self._change = change

    def __call__(
        self, staged: StagedSchedule, replicas: Sequence[int], *_: object, **options: Any
    ) -> SimpleNamespace:
        assert sum(replicas) == usable_cpus()
        self.asked.append(options["pinned"])
        stages = [self._change(each) for each in prepare_stages(staged, SERIAL)]
        return SimpleNamespace(stages=stages, close=self._close)

    def _close(self) -> None:
        self.closed += 1


def _zeros(stage: Executable) -> Executable:
    return lambda inputs: [np.zeros_like(each) for each in stage(inputs)]


def _on_first(stage: Executable) -> Executable:
    """Right on the inputs that come first, and on no others."""
    seen: list[Tensor] = []

    def run(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        seen.append(np.array(inputs[0]))
        return (stage if np.array_equal(seen[0], seen[-1]) else _zeros(stage))(inputs)

    return run


def _refusing(_: Executable) -> Executable:
    raise EngineError("has no fixed size")


def _compiled(
    monkeypatch: pytest.MonkeyPatch, processes: Processes, **options: Any
) -> PlannedVariant:
    """As with --effort normal, in less time."""
    monkeypatch.setattr(stream_field, "Processes", processes)
    quick = effort.STREAM_ROUNDS["quick"]
    monkeypatch.setattr(stream_field, "STREAM_ROUNDS", {"normal": replace(quick, most=1)})
    settings = Settings(load=lambda: None, warn=lambda _: None)
    asked = {"devices": ["cpu.serial"], **options}
    plan = compile_model(RESIDUAL, objective="throughput", settings=settings, **asked)
    return plan.first.planned


def test_the_fastest_is_tried_in_processes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    processes = Processes(lambda stage: stage)
    planned = _compiled(monkeypatch, processes)
    name = f"{usable_cpus()} x cpu.serial"
    names = [str(each.id) for each in planned.contenders]
    helped = f"{name} (helpers={usable_cpus() - 1})"
    own = f"{name} (sessions={usable_cpus()})"
    assert names == [name, helped, own, f"{name} in processes", f"{name} in pinned processes"]
    assert processes.asked == [False, True]
    assert processes.closed in range(2, 5)  # once more where it was far behind
    assert planned.stream is not None
    assert planned.stream.hosting == planned.shipped.id.hosting
    assert [each.cpu_s is None for each in planned.contenders] == [False] * 3 + [True] * 2
    wherever_they_run = [True, False, False, True, True]  # in its usual configuration
    assert [each.is_optimum for each in planned.contenders] == wherever_they_run


def test_the_fastest_of_several_replicas_is_tried_in_processes_whatever_is_faster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One call on all threads was faster than replicas in threads."""
    turn = StreamGate.first_turn

    def slower(gate: StreamGate, built: BuiltStream, feeds: Feeds) -> Turn:
        several = sum(built.proposal.stream.replicas) > 1 and built.proposal.hosting == "threads"
        found = turn(gate, built, feeds)
        longer = replace(found.run, wall_s=9 * found.run.wall_s)
        return replace(found, run=longer, cpu_s=None) if several else found

    monkeypatch.setattr(StreamGate, "first_turn", slower)
    processes = Processes(lambda stage: stage)
    _compiled(monkeypatch, processes, devices=["cpu.serial", "cpu.parallel"])
    assert processes.asked == [False, True]


LEFT_OUT = {
    "wrong answers": (_zeros, "is off by"),
    "wrong on others than the samples": (_on_first, "is off by"),
    "no fixed size": (_refusing, "no fixed size"),
}


@pytest.mark.parametrize(("change", "told"), LEFT_OUT.values(), ids=LEFT_OUT.keys())
def test_what_does_not_run_rightly_in_processes_is_left_out(
    change: Callable[[Executable], Executable], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = _compiled(monkeypatch, Processes(change))
    assert {each.id.hosting for each in planned.contenders} == {"threads"}
    sentences = [each for each in planned.workarounds if "in processes is left out" in each]
    assert len(sentences) == 1


def test_memory_that_is_short_has_no_room_for_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    processes = Processes(lambda stage: stage)
    monkeypatch.setattr(stream_entry, "usable_bytes", lambda: 300 << 20)
    planned = _compiled(monkeypatch, processes)
    assert processes.asked == []
    assert sum("memory is short for p" in each for each in planned.workarounds) == 2


def test_memory_that_is_limited_has_no_room_for_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    processes = Processes(lambda stage: stage)
    planned = _compiled(monkeypatch, processes, max_memory_bytes=1 << 30)
    assert processes.asked == []
    helped = f"helpers={usable_cpus() - 1}"
    assert [each.id.configuration for each in planned.contenders] == ["", helped]


def test_memory_that_is_short_has_no_room_for_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_entry, "usable_bytes", lambda: 0)
    planned = _compiled(monkeypatch, Processes(lambda stage: stage))
    helped = f"helpers={usable_cpus() - 1}"
    assert [each.id.configuration for each in planned.contenders] == ["", helped]
    assert sum("memory is short for sessions" in each for each in planned.workarounds) == 1


def test_whoever_is_far_behind_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference stays, and of these three the one that is near the best."""
    periods_s = iter([10.0, 12.0, 1.0])
    alive: list[int] = []
    final = StreamField.final

    def first_turn(*_: object) -> Turn:
        period_s = next(periods_s, 1.0)
        return Turn(StreamRun(1, 1, period_s, (period_s,)), None)

    with watched(monkeypatch) as executors:

        def noted(self: StreamField, *arguments: Any) -> tuple[Entry, ...]:
            alive.append(executors.alive)
            return final(self, *arguments)

        monkeypatch.setattr(StreamField, "final", noted)
        monkeypatch.setattr(StreamGate, "first_turn", first_turn)
        devices = ["cpu.parallel", *(f"{n}=cpu.parallel:waiting=spin" for n in ("spin", "more"))]
        planned = compile_model(
            RESIDUAL,
            devices=devices,
            objective="throughput",
            granularity="op",
            settings=Settings(effort="quick", load=lambda: None, warn=lambda _: None),
        ).first.planned
    assert [str(each.id) for each in planned.contenders][:3] == ["cpu.parallel", "spin", "more"]
    assert alive == [2]
    assert executors.alive == 0


def test_whoever_was_let_go_may_be_best_after_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a limit leaves out what was faster: it is prepared once more, and ships."""
    measured = StreamField._readied
    made: list[Readied] = []

    def let_go(self: StreamField, built: Built, *engines: Any) -> Built:
        found = measured(self, built, *engines)
        assert isinstance(found.runner, Readied)
        found.runner.release()
        made.append(found.runner)
        return found

    monkeypatch.setattr(StreamField, "_readied", let_go)
    planned = _compiled(monkeypatch, Processes(lambda stage: stage))
    assert made
    assert planned.shipped.chosen


def test_stages_cost_what_they_took_in_the_median_of_several_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first turn of a stream may mislead."""
    later_s = iter([4.0, 3.0])

    def turn(period_s: float) -> Turn:
        return Turn(StreamRun(1, 1, period_s, (usable_cpus() * period_s,)), None)

    monkeypatch.setattr(StreamGate, "first_turn", lambda *_: turn(1.0))
    monkeypatch.setattr(StreamGate, "turn", lambda *_: turn(next(later_s, 9.0)))
    planned = _compiled(monkeypatch, Processes(lambda stage: stage))
    assert planned.stream is not None
    assert planned.stream.period_s == pytest.approx(3.0)
    assert planned.certificate.total == pytest.approx(3.0)


def test_a_device_alone_is_tried_in_its_configurations(monkeypatch: pytest.MonkeyPatch) -> None:
    """And ships in the one that is the best."""
    offered = ("waiting=spin", "pinning=off")
    monkeypatch.setattr(backends, "configurations", lambda _: offered)

    def spinning_first(found: Sequence[Contender], objective: Objective) -> tuple[Contender, ...]:
        fast = [
            replace(each, median_s=each.median_s / 100) if "spin" in str(each.id) else each
            for each in found
        ]
        return choose(fast, objective)

    monkeypatch.setattr(stream_field, "choose", spinning_first)
    processes = Processes(lambda stage: stage)
    planned = _compiled(monkeypatch, processes, devices=["cpu.parallel"])
    names = [str(each.id) for each in planned.contenders]
    assert names == ["cpu.parallel", "cpu.parallel (waiting=spin)", "cpu.parallel (pinning=off)"]
    assert planned.shipped.id.configuration == "waiting=spin"
    assert planned.provenance.devices == {"cpu.parallel": "cpu.parallel:waiting=spin"}
    assert [each.is_optimum for each in planned.contenders] == [True, False, False]
    assert processes.asked == []  # of one replica


def test_a_configuration_is_held_against_the_reference_on_all_inputs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that is wrong on others than the samples takes no part."""
    monkeypatch.setattr(backends, "configurations", lambda _: ("waiting=spin",))
    build = Answers.build

    def wrong_elsewhere(
        answers: Answers,
        staged: StagedSchedule,
        outputs: Sequence[str],
        engines: Mapping[str, Backend] | None = None,
    ) -> Executor:
        executor = build(answers, staged, outputs, engines)
        if engines is None:
            return executor
        return executor.with_stages([_on_first(each) for each in prepare_stages(staged, engines)])

    monkeypatch.setattr(Answers, "build", wrong_elsewhere)
    planned = _compiled(monkeypatch, Processes(lambda stage: stage), devices=["cpu.parallel"])
    assert [str(each.id) for each in planned.contenders] == ["cpu.parallel"]
    assert any("(waiting=spin) is left out: on " in each for each in planned.workarounds)
