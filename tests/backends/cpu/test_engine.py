"""Sessions are called with what their stages read, by a method of ONNX Runtime's that has to be
there; a sum and its LayerNormalization are not fused, which takes longer."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest

from stagecut.backends import create
from stagecut.backends.cpu import engine
from stagecut.backends.cpu.engine import OrtExecutable, Sessions
from stagecut.compiler.ir.device import Tensor
from tests.support.staged import staged


def test_another_number_of_inputs_than_the_stage_reads_is_refused() -> None:
    made = staged("g (float[2] x) => (float[2] y) { [a] y = Relu(x) }", "run cpu.serial: a")
    [program] = made.programs
    execute = create("cpu.serial").prepare(program)
    assert isinstance(execute, OrtExecutable)
    x = np.array([-1, 2], np.float32)
    [y] = execute([x])
    assert y.tolist() == [0, 2]
    for inputs in ([], [x, x]):
        with pytest.raises(ValueError, match="inputs for 1"):
            execute(inputs)


def test_callers_at_once_have_a_session_each() -> None:
    """And no other has one while it is in use: with two, only two of four are in theirs."""
    made = staged("g (float[2] x) => (float[2] y) { [a] y = Relu(x) }", "run cpu.serial: a")
    [program] = made.programs
    execute = create("cpu.serial:sessions=2").prepare(program)
    assert isinstance(execute, Sessions)
    x = np.array([-1, 2], np.float32)
    assert [each.tolist() for each in execute([x])] == [[0, 2]]

    both, inside, most = threading.Barrier(2), [0, 0], [0, 0]

    class Noting(OrtExecutable):
        def __init__(self, at: int) -> None:
            self._at = at

        def __call__(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
            inside[self._at] += 1
            most[self._at] = max(most[self._at], inside[self._at])
            both.wait(10)
            inside[self._at] -= 1
            return inputs

    shared = Sessions([Noting(0), Noting(1)])
    with ThreadPoolExecutor(4) as pool:
        assert [*pool.map(shared, [[x]] * 4)] == [[x]] * 4
    assert most == [1, 1]


def test_a_session_that_fails_serves_the_next_caller() -> None:
    made = staged("g (float[2] x) => (float[2] y) { [a] y = Relu(x) }", "run cpu.serial: a")
    [program] = made.programs
    execute = create("cpu.serial:sessions=2").prepare(program)
    for _ in range(3):
        with pytest.raises(ValueError, match="inputs for 1"):
            execute([])
    assert execute([np.array([1, -2], np.float32)])[0].tolist() == [1, 0]


def test_a_sum_and_its_layer_normalization_stay_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = staged(
        "g (float[1,2,4] x, float[1,2,4] z) => (float[1,2,4] y)"
        " <float[4] s = {1, 2, 3, 4}, float[4] b = {0, 0, 0, 1}>"
        " { [a] t = Add(x, z) [b] y = LayerNormalization(t, s, b) }",
        "run cpu.serial: a, b",
    )
    options = engine._options
    optimized = tmp_path / "optimized.onnx"

    def noted(*given: object) -> object:
        found = options(*given)  # type: ignore[arg-type]  # as they came
        found.optimized_model_filepath = str(optimized)
        return found

    monkeypatch.setattr(engine, "_options", noted)
    [program] = made.programs
    create("cpu.serial").prepare(program)
    assert [node.op_type for node in onnx.load(optimized).graph.node] == [
        "Add",
        "LayerNormalization",
    ]
