"""Streams that take part: replicas in threads and in processes, earlier answers of the solver."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from stagecut import backends
from stagecut.compiler import compile_model, effort, stream_field
from stagecut.compiler.context import Settings
from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.contender import ContenderId, ContenderKind
from stagecut.compiler.ir.device import Executable, StagedSchedule
from stagecut.compiler.ir.errors import EngineError
from stagecut.compiler.ir.machine import Device
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.stream import StreamRun, stream_account, stream_of
from stagecut.compiler.measure.cpus import usable_cpus
from stagecut.compiler.readied import Readied
from stagecut.compiler.stream_field import Entry, StreamField, named
from stagecut.passes.gate.build import Built
from stagecut.passes.gate.contenders import Proposal, proposal_of
from stagecut.passes.gate.stream_contenders import StreamProposal, replicas_of_all
from stagecut.passes.gate.stream_gate import StreamGate, Turn
from stagecut.runtime.prepare import prepare_stages
from tests.support.executors import watched
from tests.support.onnx_models import MODELS
from tests.support.streams import stream_table

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
    plan = compile_model(
        RESIDUAL, devices=["cpu.serial"], objective="throughput", settings=settings, **options
    )
    return plan.first.planned


def test_the_fastest_is_tried_in_processes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    processes = Processes(lambda stage: stage)
    planned = _compiled(monkeypatch, processes)
    name = f"{usable_cpus()} x cpu.serial"
    names = [str(each.id) for each in planned.contenders]
    assert names == [name, f"{name} in processes", f"{name} in pinned processes"]
    assert processes.asked == [False, True]
    assert processes.closed in range(2, 5)  # once more where it was far behind
    assert planned.stream is not None
    assert planned.stream.hosting == planned.shipped.id.hosting
    assert [each.cpu_s is None for each in planned.contenders] == [False, True, True]
    assert planned.shipped.is_optimum  # wherever its replicas run


LEFT_OUT = {"wrong answers": (_zeros, "is off by"), "no fixed size": (_refusing, "no fixed size")}


@pytest.mark.parametrize(("change", "told"), LEFT_OUT.values(), ids=LEFT_OUT.keys())
def test_what_does_not_run_rightly_in_processes_is_left_out(
    change: Callable[[Executable], Executable], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = _compiled(monkeypatch, Processes(change))
    assert [each.id.hosting for each in planned.contenders] == ["threads"]
    sentences = [each for each in planned.workarounds if "in processes is left out" in each]
    assert len(sentences) == 1


def test_memory_that_is_short_has_no_room_for_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    processes = Processes(lambda stage: stage)
    monkeypatch.setattr(stream_field, "usable_bytes", lambda: 300 << 20)
    planned = _compiled(monkeypatch, processes)
    assert processes.asked == []
    assert sum("memory is short" in each for each in planned.workarounds) == 2


def test_memory_that_is_limited_has_no_room_for_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    processes = Processes(lambda stage: stage)
    _compiled(monkeypatch, processes, max_memory_bytes=1 << 30)
    assert processes.asked == []


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

    def let_go(self: StreamField, built: Built) -> Built:
        found = measured(self, built)
        assert isinstance(found.runner, Readied)
        found.runner.release()
        made.append(found.runner)
        return found

    monkeypatch.setattr(StreamField, "_readied", let_go)
    planned = _compiled(monkeypatch, Processes(lambda stage: stage))
    assert made
    assert planned.shipped.chosen


TABLE = stream_table(
    "a: one 4, two 3\nb(a): one 4, two 3",
    Device("one", "host", resource="cores"),
    Device("two", "host", resource="cores", cores=2),
    cores=3,
)
WHOLE, _ = replicas_of_all(TABLE)


def _pipeline(first: str, second: str) -> StreamProposal:
    stream = stream_of(TABLE, [Stage(first, ("a",)), Stage(second, ("b",))], (1, 1))
    id_ = ContenderId(ContenderKind.OPTIMUM)
    single = Proposal(id_, stream.schedule, account(TABLE, stream.schedule))
    return StreamProposal(id_, single, stream, stream_account(TABLE, stream))


def _called(optimum: StreamProposal, *proposals: StreamProposal) -> list[tuple[str, list[str]]]:
    entries = [Entry(each, cast("Built", None)) for each in proposals]
    found = [*named(entries, optimum)]
    for each in found:
        single = [proposal.single for proposal in (one.proposal for one in found)]
        assert proposal_of(single, each.proposal.id).schedule == each.proposal.stream.schedule
    return [(str(each.proposal.id), [*map(str, each.proposal.also)]) for each in found]


def test_every_answer_of_the_solver_takes_part() -> None:
    first, second, third = _pipeline("one", "two"), _pipeline("two", "one"), _pipeline("one", "one")
    hosted = replace(first, id=replace(first.id, hosting="processes"), hosting="processes")
    assert _called(third, WHOLE, first, second, third, hosted) == [
        ("3 x one", []),
        ("earlier optimum 1", []),
        ("earlier optimum 2", []),
        ("optimum", []),
        ("earlier optimum 1 in processes", []),
    ]


def test_a_device_alone_that_is_the_optimum_goes_by_its_name() -> None:
    optimum = replace(WHOLE, id=ContenderId(ContenderKind.OPTIMUM))
    hosted = replace(WHOLE, id=replace(WHOLE.id, hosting="processes"), hosting="processes")
    assert _called(optimum, WHOLE, _pipeline("one", "two"), optimum, hosted) == [
        ("3 x one", ["optimum"]),
        ("3 x one in processes", ["optimum in processes"]),
        ("earlier optimum 1", []),
    ]
