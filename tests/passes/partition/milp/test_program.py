"""Which variable stands for what."""

import numpy as np

from stagecut.passes.partition.milp.program import PartitionProgram
from stagecut.passes.partition.milp.solver import IntegerProgram
from tests.support.tables import cost_table

TABLE = cost_table("a: cpu 1, gang 2, pim 3\n b: cpu 1")
ON = ({"cpu": 0, "gang": 1, "pim": 2}, {"cpu": 3})


def test_a_point_is_read_as_an_assignment() -> None:
    built = PartitionProgram(TABLE, IntegerProgram(), ON)
    assignment = built.assignment(np.array([0.1, 0.0, 0.9, 1.0]))
    assert assignment.devices == {"a": "pim", "b": "cpu"}


def test_a_node_is_in_a_memory_by_any_of_its_devices() -> None:
    built = PartitionProgram(TABLE, IntegerProgram(), ON)
    assert built.in_memories(0, -1.0) == {"host": {0: -1.0, 1: -1.0}, "pim": {2: -1.0}}
    assert built.in_memories(1, 1.0) == {"host": {3: 1.0}}
