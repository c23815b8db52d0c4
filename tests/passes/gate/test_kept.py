"""What is kept of answers does not grow beyond its bound."""

import gc
import weakref
from collections import Counter

import numpy as np
import pytest

from stagecut.passes.gate.kept import Kept, Outputs


class Computing:
    """Computes outputs of a kilobyte, and knows which are alive."""

    def __init__(self) -> None:
        self.runs: Counter[str] = Counter()
        self._made: list[weakref.ref[np.ndarray]] = []

    def __call__(self, key: str) -> Outputs:
        self.runs[key] += 1
        made = np.full(1024, self.runs.total(), np.int8)
        self._made.append(weakref.ref(made))
        return {"y": made}

    @property
    def alive(self) -> int:
        return sum(each() is not None for each in self._made)


@pytest.mark.parametrize(("room", "alive", "again"), [(0, 1, 4), (2, 3, 2), (4, 4, 0)])
def test_so_many_and_the_latest_are_kept(room: int, alive: int, again: int) -> None:
    """Those that came first stay, so that who asks for all in turn finds some."""
    compute, kept = Computing(), Kept[str](room * 1024)
    gc.disable()
    try:
        for name in "abcd" * 2:
            kept(name, lambda name=name: compute(name))  # type: ignore[misc]
            assert name in kept
            assert compute.alive <= alive
    finally:
        gc.enable()
    assert compute.alive == alive
    assert compute.runs.total() == 4 + again


def test_the_latest_may_be_asked_for_several_things_in_a_row() -> None:
    compute, kept = Computing(), Kept[str](0)
    found = [kept("a", lambda: compute("a")) for _ in range(3)]
    assert found[0] is found[1] is found[2]
    assert compute.runs == {"a": 1}


def test_why_there_is_nothing_is_kept_whatever_the_room() -> None:
    kept = Kept[str](0)
    answers = iter(["out of range"])
    assert {kept("a", lambda: next(answers)) for _ in range(3)} == {"out of range"}
    assert "b" not in kept
