"""What a sequence holds whole: handed on once, replaced by each run, and from the start again."""

import numpy as np

from stagecut.compiler.ir.state import Decoding, Handed, Replaced
from stagecut.runtime.decoding.held import Held

DECODING = Decoding(
    (),
    10,
    "scores",
    handed=(Handed("memory_out", "memory"), Handed("hidden_out", "hidden")),
    replaced=(Replaced("hidden", "hidden_out"), Replaced("cell", "cell_out")),
)
ZERO, ONE, TWO = (np.full(2, number, np.float32) for number in range(3))


def _held() -> Held:
    held = Held(DECODING, {"cell": ZERO})
    held.begin({"memory_out": ONE, "hidden_out": ONE})
    return held


def test_begins_with_what_is_handed_on() -> None:
    held = Held(DECODING, {"cell": ZERO})
    assert not held.is_encoded
    held.begin({"memory_out": ONE, "hidden_out": TWO})
    assert held.is_encoded
    assert held.arrays == {"cell": ZERO, "memory": ONE, "hidden": TWO}
    assert held.size_bytes == 3 * 8


def test_each_run_replaces_states_and_nothing_else() -> None:
    held = _held()
    other = held.copy()
    held.replace({"hidden_out": TWO, "cell_out": TWO, "scores": ZERO})
    assert held.arrays == {"cell": TWO, "memory": ONE, "hidden": TWO}
    assert other.arrays == {"cell": ZERO, "memory": ONE, "hidden": ONE}
    held.rewind()
    assert held.arrays == other.arrays
