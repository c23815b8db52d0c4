"""Where tensors lie: a slot for each value in each memory, given up after its last use."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.errors import ScheduleError
from stagecut.runtime.slots import Slots, Touched
from tests.support.staged import staged

FORK = """
    g (float[3] x) => (float[3] u, float[3] z)
    { [a] u = Neg(x)  [b] v = Exp(u)  [c] z = Add(u, v) }
"""
MEMORIES = {"cpu": "host", "far": "far"}


def test_slots() -> None:
    """u is handed back, and so kept; in `far` it is given up where it was last read."""
    text = """
        run cpu: a                slot 0 -> slot 1
        transfer u: host > far    slot 1 -> slot 2
        run far: b                slot 2 -> slot 3
        run far: c                slots 2, 3 -> slot 4
        transfer z: far > host    slot 4 -> slot 5
    """
    schedule = "\n".join(line.split("slot")[0] for line in text.splitlines())
    slots = Slots(staged(FORK, schedule), ["u", "z"], MEMORIES)
    assert slots.inputs == [("x", 0)]
    assert slots.outputs == [("u", 1), ("z", 5)]
    assert slots.count == 6
    assert slots.touched == [
        Touched((0,), range(1, 2), (0,)),
        Touched((1,), range(2, 3)),
        Touched((2,), range(3, 4)),
        Touched((2, 3), range(4, 5), (2, 3)),
        Touched((4,), range(5, 6), (4,)),
    ]


def test_a_state_is_where_it_is_read_and_handed_back_from_its_home() -> None:
    """`x` is in `far` before the run begins; the host asks for its shape, perhaps."""
    schedule = "run far: a\ntransfer u: far > host\nrun cpu: b\nrun far: c"
    text = schedule.replace("run far: c", "transfer v: host > far\nrun far: c")
    there = replace(staged(FORK, text), homes={"x": "far", "z": "far"})
    slots = Slots(there, ["u", "z"], MEMORIES)
    assert slots.inputs == [("x", 0)]
    assert slots.touched[0] == Touched((0,), range(1, 2), (0,))
    assert slots.outputs == [("u", 2), ("z", slots.count - 1)]


MISSING = {
    "a value that was never transferred": (
        "run cpu: a\nrun far: b, c\ntransfer z: far > host",
        "value u: is not in far when it is needed there",
    ),
    "a value that is transferred too late": (
        "transfer u: far > host\nrun far: a, b, c",
        "value u: is not in far when it is needed there",
    ),
    "an output that stays where it is": (
        "transfer x: host > far\nrun far: a, b, c\ntransfer u: far > host",
        "value z: never gets to host",
    ),
}


@pytest.mark.parametrize(("schedule", "problem"), MISSING.values(), ids=MISSING.keys())
def test_what_is_not_there_is_told(schedule: str, problem: str) -> None:
    with pytest.raises(ScheduleError, match=problem) as error:
        Slots(staged(FORK, schedule), ["u", "z"], MEMORIES)
    assert error.value.fix
