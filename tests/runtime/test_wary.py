"""An engine that computes in place, or in one and the same buffer, is noticed in two calls."""

from collections.abc import Sequence

import numpy as np
import pytest

from stagecut.compiler.ir.device import Executable, Tensor
from stagecut.compiler.ir.errors import StageFault
from stagecut.runtime.place import Place
from stagecut.runtime.wary import Wary

X = np.arange(4, dtype=np.float32)
PLACE = Place(3, "engine")


def _in_place(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
    inputs[0][...] *= 2
    return [inputs[0].copy()]


def _in_one_buffer() -> Executable:
    buffer = np.empty_like(X)

    def execute(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        np.multiply(inputs[0], 2, out=buffer)
        return [buffer]

    return execute


def test_an_engine_that_writes_into_its_inputs() -> None:
    x = X.copy()
    with pytest.raises(StageFault, match="writes into its inputs") as caught:
        Wary(_in_place, PLACE)([x])
    assert (caught.value.stage, caught.value.device) == (3, "engine")
    np.testing.assert_array_equal(x, X)


def test_an_engine_with_one_buffer_for_all_runs() -> None:
    execute = Wary(_in_one_buffer(), PLACE)
    execute([X])
    with pytest.raises(StageFault, match="writes over what it handed back"):
        execute([X + 1])


#: What an engine may do.
SOUND: dict[str, Executable] = {
    "new arrays": lambda inputs: [inputs[0] * 2],
    "its input as it is": lambda inputs: [inputs[0]],
    "the same constant": lambda _: [X],
    "no array": lambda _: [object()],  # type: ignore[dict-item]  # of a device's own memory
    "nothing": lambda _: [],
}


@pytest.mark.parametrize("engine", SOUND.values(), ids=SOUND.keys())
def test_sound_engines(engine: Executable) -> None:
    execute = Wary(engine, PLACE)
    for factor in range(4):
        execute([factor * X])


@pytest.mark.parametrize(
    "array",
    [
        np.array(["a", "\ud800"], object),
        np.float32(1).reshape(()),
        np.zeros((0, 3), np.float32),
        np.arange(12.0).reshape(3, 4).T,
        np.array([True, False]),
    ],
    ids=["strings", "scalar", "empty", "strided", "truths"],
)
def test_arrays_of_all_kinds(array: Tensor) -> None:
    execute = Wary(lambda inputs: [inputs[0].copy()], PLACE)
    for _ in range(3):
        [found] = execute([array])
        np.testing.assert_array_equal(found, array)
