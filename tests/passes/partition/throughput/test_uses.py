"""What inputs use of budgets, in the solver's columns."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from stagecut.compiler.ir.costs import Budget, CostTable
from stagecut.compiler.ir.machine import Device, Route
from stagecut.passes.partition.throughput.uses import Uses, UsesByBudget
from tests.support.streams import stream_table

CPU = Device("cpu", "host", resource="cores")
PIM = Device("pim", "pim", batch=4)
PLAIN = stream_table("a: cpu 4\n b(a): cpu 8, pim 1", CPU, PIM, cores=2)
TABLE = replace(
    PLAIN,
    nodes=(
        replace(PLAIN.nodes[0], run_j={"cpu": 3.0}),
        replace(PLAIN.nodes[1], run_j={"cpu": 5.0, "pim": 8.0}, uses={"wear": {"pim": 7.0}}),
    ),
    values=tuple(
        replace(each, transfer_j={Route("host", "pim"): 0.5, Route("pim", "host"): 0.25})
        for each in PLAIN.values
    ),
    budgets=(Budget("wear", 1.0),),
)


def test_of_energy() -> None:
    """A call's is shared by its inputs, and every input is brought and taken by itself."""
    uses = Uses.of(TABLE, (CPU, PIM), "energy")
    assert uses.run.tolist() == [[3.0, 0.0], [5.0, 2.0]]
    assert {*map(tuple, uses.bring.tolist())} == {(0.0, 0.5)}
    assert {*map(tuple, uses.take.tolist())} == {(0.0, 0.25)}
    assert uses.most == 3 + 5 + 0.75 * len(TABLE.values)


def test_of_a_budget() -> None:
    uses = Uses.of(TABLE, (CPU, PIM), "wear")
    assert uses.run.tolist() == [[0.0, 0.0], [0.0, 7.0]]
    assert not uses.bring.any()
    assert not uses.take.any()


def test_whole_numbers() -> None:
    counted = Uses.of(TABLE, (CPU, PIM), "energy").counted(0.5)
    assert counted.run.tolist() == [[6, 0], [10, 4]]
    assert counted.take.max() == 0  # a quarter is nearer to nothing than to a half, or as near
    assert Uses.of(TABLE, (CPU, PIM), "energy").counted(1e-90).run.max() == 1 << 46


def test_each_budget_is_looked_at_once_and_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def of(_: CostTable, __: Sequence[Device], budget: str) -> Uses:
        asked.append(budget)
        return Uses(*(np.zeros((1, 1)) for _ in range(3)))

    monkeypatch.setattr(Uses, "of", of)
    uses = UsesByBudget(TABLE, (CPU, PIM))
    assert not asked
    assert uses["wear"] is uses["wear"]
    assert asked == ["wear"]
    with pytest.raises(KeyError):
        uses["no budget of the table"]
