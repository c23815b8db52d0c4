"""Whatever an engine raises, when it is built or when it runs, becomes an error of its stage."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from stagecut.backends.null.device import NullBackend, NullExecutable
from stagecut.compiler.ir.device import StageProgram, Tensor
from stagecut.compiler.ir.errors import EngineError, RangeFault, StageFault, ValueRangeError
from stagecut.compiler.ir.stop import Stopped
from stagecut.runtime.prepare import prepare_stages
from tests.support.staged import device, staged

PAIR = staged(
    "g (float[2] x) => (float[2] y) { [a] u = Relu(x)  [b] y = Tanh(u) }",
    "run one: a\nrun two: b",
)
BACKENDS = {name: device(name) for name in ("one", "two")}


@dataclass
class Calls:
    """A watch that writes down what it is told."""

    told: list[str] = field(default_factory=list)

    def enter(self, stage: int) -> None:
        self.told.append(f"enter {stage}")

    def leave(self) -> None:
        self.told.append("leave")


def test_a_watch_is_told_of_every_call() -> None:
    calls = Calls()
    first, second = prepare_stages(PAIR, BACKENDS, calls)
    x = np.array([-1.0, 1.0], np.float32)
    [u] = first([x])
    second([u])
    assert u.tolist() == [0.0, 1.0]
    assert calls.told == ["enter 0", "leave", "enter 1", "leave"] * 2


#: What an engine raises, and what is said of it.
FAULTS: dict[str, tuple[BaseException, type[StageFault], str]] = {
    "anything": (RuntimeError("out of order"), StageFault, "failed: out of order"),
    "the end of the program": (SystemExit(0), StageFault, "failed: SystemExit: 0"),
    "no memory": (MemoryError(), StageFault, "failed: MemoryError"),
    "without a word": (EngineError(""), StageFault, "EngineError"),
    "one of ours": (EngineError("too large"), StageFault, "too large"),
    "inputs that it cannot hold": (ValueRangeError("1e9 is no int8"), RangeFault, "1e9 is no int8"),
}


@pytest.mark.parametrize("when", ["prepare", "run"])
@pytest.mark.parametrize(("raised", "kind", "problem"), FAULTS.values(), ids=FAULTS.keys())
def test_faults(
    monkeypatch: pytest.MonkeyPatch,
    when: str,
    raised: BaseException,
    kind: type[StageFault],
    problem: str,
) -> None:
    def fail(*_: object) -> Sequence[Tensor]:
        raise raised

    if when == "run":
        monkeypatch.setattr(NullExecutable, "__call__", fail)
        [_, run] = prepare_stages(PAIR, BACKENDS)
        with pytest.raises(kind) as error:
            run([])
    else:
        prepare = NullBackend.prepare

        def broken(self: NullBackend, stage: StageProgram) -> NullExecutable:
            if self.device.name == "two":
                raise raised
            return prepare(self, stage)

        monkeypatch.setattr(NullBackend, "prepare", broken)
        with pytest.raises(kind) as error:
            prepare_stages(PAIR, BACKENDS)
    assert error.value.problem == problem
    assert (error.value.stage, error.value.device) == (1, "two")


def test_the_watch_is_left_when_an_engine_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Sequence[Tensor]:
        raise RuntimeError("out of order")

    monkeypatch.setattr(NullBackend, "prepare", fail)
    calls = Calls()
    with pytest.raises(StageFault):
        prepare_stages(PAIR, BACKENDS, calls)
    assert calls.told == ["enter 0", "leave"]


@pytest.mark.parametrize("raised", [Stopped(15), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("when", ["prepare", "run"])
def test_a_wish_to_stop_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, raised: BaseException, when: str
) -> None:
    """Python raises KeyboardInterrupt here; where it does not, that is an engine's own."""

    def fail(*_: object) -> Sequence[Tensor]:
        raise raised

    def attempt() -> None:
        prepare_stages(PAIR, BACKENDS)[0]([np.ones(2, np.float32)])

    kind, method = (NullBackend, "prepare") if when == "prepare" else _CALL
    monkeypatch.setattr(kind, method, fail)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(type(raised)):
            attempt()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with pytest.raises(StageFault if isinstance(raised, KeyboardInterrupt) else Stopped):
            attempt()
    finally:
        signal.signal(signal.SIGINT, before)


_CALL = (NullExecutable, "__call__")

#: What is handed back for an output of two float32, and what is said of it.
ANSWERS: dict[str, tuple[object, str]] = {
    "nothing": (None, "handed back a NoneType, not a list of arrays"),
    "too many": ([np.zeros(2, np.float32)] * 2, "handed back 2 arrays, and the stage has 1"),
    "a tuple of something else": ((1.0,), "u is a float, not a numpy array"),
    "another type": ([np.zeros(2)], "u has type float64, and float32 in the model"),
    "another shape": ([np.zeros((1, 2), np.float32)], "u has shape 1x2, and 2 in the model"),
}


@pytest.mark.parametrize(("answer", "problem"), ANSWERS.values(), ids=ANSWERS.keys())
def test_answers_that_are_no_results(
    monkeypatch: pytest.MonkeyPatch, answer: object, problem: str
) -> None:
    monkeypatch.setattr(*_CALL, lambda *_: answer)
    first, _ = prepare_stages(PAIR, BACKENDS)
    with pytest.raises(StageFault, match=problem) as fault:
        first([np.ones(2, np.float32)])
    assert (fault.value.stage, fault.value.device) == (0, "one")


#: Of outputs that are alike in the model: the second of them is always looked at.
OTHERS: dict[str, tuple[object, str]] = {
    "another type": (np.zeros((3, 2)), "v has type float64, and float32 in the model"),
    "another shape": (np.zeros((3, 1), np.float32), "v has shape 3x1, and 3x2 in the model"),
    "no array": ([], "v is a list, not a numpy array"),
}


@pytest.mark.parametrize(("other", "problem"), OTHERS.values(), ids=OTHERS.keys())
def test_each_of_several_outputs_that_are_alike_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, other: object, problem: str
) -> None:
    alike = staged(
        "g (float[3, 2] x) => (float[3, 2] u, float[3, 2] v) { [a] u = Relu(x)  [b] v = Tanh(x) }",
        "run one: a, b",
    )
    right = np.zeros((3, 2), np.float32)
    answer: list[object] = [right, right]
    monkeypatch.setattr(*_CALL, lambda *_: answer)
    [stage] = prepare_stages(alike, BACKENDS)
    assert stage([right]) is answer
    answer[1] = other
    with pytest.raises(StageFault, match=problem):
        stage([right])


def test_a_tuple_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = (np.zeros(2, np.float32),)
    monkeypatch.setattr(*_CALL, lambda *_: answer)
    first, _ = prepare_stages(PAIR, BACKENDS)
    assert first([]) is answer


def test_what_cannot_be_called_is_no_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NullBackend, "prepare", lambda *_: "ready")
    with pytest.raises(StageFault, match="prepared a str, which cannot be called"):
        prepare_stages(PAIR, BACKENDS)


def test_a_device_has_its_own_formats_in_its_own_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    backends = {"one": device("one", "far"), "two": device("two", "far")}
    answer = [np.zeros(5, np.uint16)]
    monkeypatch.setattr(*_CALL, lambda *_: answer)
    first, _ = prepare_stages(PAIR, backends)
    assert first([]) is answer


class Refusing(Calls):
    def enter(self, stage: int) -> None:
        raise EngineError("it crashed the last time")


def test_a_stage_that_must_not_be_called_is_not_prepared() -> None:
    with pytest.raises(StageFault, match="it crashed the last time"):
        prepare_stages(PAIR, BACKENDS, Refusing())
