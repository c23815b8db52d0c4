"""What the costs rank first ships only where it is right: asked of a compile with costs that are
handed in."""

import pytest

from stagecut.compiler.context import Settings
from stagecut.compiler.pipeline import compile_model
from tests.support.over_hosts import layers, measured


@pytest.mark.parametrize("objective", ["latency", "throughput"])
def test_what_ships_was_held_against_the_reference(objective: str) -> None:
    plan = compile_model(
        layers(),
        devices=["cpu.serial"],
        machine=measured(),
        objective=objective,
        settings=Settings(effort="quick"),
    )
    planned = plan.first.planned
    assert planned.shipped.accounting == "predicted"
    assert planned.accuracy[0].max_abs == 0.0
