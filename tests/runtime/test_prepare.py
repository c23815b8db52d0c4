"""Whatever an engine raises, when it is built or when it runs, becomes an error of its stage."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from stagecut.backends.null.device import NullBackend, NullExecutable
from stagecut.compiler.ir.device import StageProgram, Tensor
from stagecut.compiler.ir.errors import EngineError, RangeFault, StageFault, ValueRangeError
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
FAULTS: dict[str, tuple[Exception, type[StageFault], str]] = {
    "anything": (RuntimeError("out of order"), StageFault, "failed: out of order"),
    "without a word": (EngineError(""), StageFault, "EngineError"),
    "one of ours": (EngineError("too large"), StageFault, "too large"),
    "inputs that it cannot hold": (ValueRangeError("1e9 is no int8"), RangeFault, "1e9 is no int8"),
}


@pytest.mark.parametrize("when", ["prepare", "run"])
@pytest.mark.parametrize(("raised", "kind", "problem"), FAULTS.values(), ids=FAULTS.keys())
def test_faults(
    monkeypatch: pytest.MonkeyPatch,
    when: str,
    raised: Exception,
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
