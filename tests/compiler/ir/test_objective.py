"""Objectives as the user writes them, and what they make of time and energy."""

import pytest

from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.objective import ENERGY, LATENCY, THROUGHPUT, Objective, parse_objective

READ = {
    "latency": LATENCY,
    "energy": ENERGY,
    "latency=1,energy=0.5": Objective(1.0, 0.5),
    "energy=2, latency=3": Objective(3.0, 2.0),
    "latency=1": LATENCY,
    "throughput": THROUGHPUT,
}


@pytest.mark.parametrize(("text", "objective"), READ.items())
def test_reading(text: str, objective: Objective) -> None:
    assert parse_objective(text) == objective
    assert parse_objective(str(objective)) == objective


BAD = ["", "speed", "latency=fast", "latency=-1", "latency=0", "energy=inf", "latency=1;energy=2"]


@pytest.mark.parametrize("text", BAD)
def test_refusing(text: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_objective(text)
    assert "objective" in error.value.where
    assert error.value.fix


def test_a_price() -> None:
    assert Objective(2.0, 0.5).price(3.0, 4.0) == 8.0
    assert LATENCY.price(3.0, None) == 3.0
