"""Decisions are made anew without the nodes whose outputs are wrong."""

import json
import math
from pathlib import Path
from time import perf_counter

import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.arrows import Phases
from stagecut.compiler.context import Settings
from stagecut.compiler.decide import Decide, expanded_without
from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.formats.placement_json import read_placement
from stagecut.compiler.ir.errors import ToleranceError, UnplaceableError, WrongAnswerError
from stagecut.compiler.ir.objective import LATENCY
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.ir.standing import Standing
from stagecut.passes.partition.restrict import Restrict
from stagecut.passes.profile.profile import Fault
from tests.support import lying
from tests.support.expanded import expanded
from tests.support.onnx_models import MODELS
from tests.support.placement_models import bert_12
from tests.support.scattered import scattered_costs
from tests.support.tables import cost_table

RESIDUAL = MODELS["residual"].proto()
LIAR = "lying:how=zeros,on=Relu"


@pytest.fixture(autouse=True)
def _lying(monkeypatch: pytest.MonkeyPatch) -> None:
    lying.use(monkeypatch)


def _planned(*devices: str, cache: Path | None = None, **options: object) -> PlannedVariant:
    settings = Settings(effort="quick", cache=cache, load=lambda: None, warn=lambda _: None)
    plan = compile_model(
        RESIDUAL,
        devices=devices,
        granularity="op",
        settings=settings,
        **options,  # type: ignore[arg-type]
    )
    planned = plan.first.planned
    stored = read_costs(plan.first.costs)
    assert [node.run_s for node in stored.nodes] == [node.run_s for node in planned.nodes]
    return planned


def test_the_rest_stays_where_it_is_best(tmp_path: Path) -> None:
    pins = ["MatMul=lying", "Add=lying"]
    found = [_planned("cpu.serial", LIAR, pins=pins, cache=tmp_path) for _ in range(2)]
    for planned in found:
        assert planned.schedule.device_of["MatMul"] == "lying"
        assert planned.schedule.device_of["Relu"] == "cpu.serial"
        [told] = planned.workarounds
        assert told.startswith("Relu is not run on lying: on the sample inputs, r is off by 100 %")
    assert found[0] == found[1]  # from the cache


def test_whoever_waits_is_told_how_a_long_search_stands(tmp_path: Path) -> None:
    path = tmp_path / "bert-12.json"
    path.write_text(json.dumps(bert_12()))
    told: list[Standing] = []

    def enough(standing: Standing) -> bool:
        told.append(standing)
        return math.isinf(standing.total)

    decide = Decide(LATENCY, Restrict((), ()), None, None, True, Phases(perf_counter))
    solution, _ = decide._solved(read_placement(path), None, enough).solved
    assert told[-1].total >= solution.certificate.total


def test_after_some_times_plans_are_left_out_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stagecut.compiler.decide._MOST_REPLANS", 0)
    planned = _planned("cpu.serial", LIAR)
    assert set(planned.schedule.device_of.values()) == {"cpu.serial"}
    assert any(told.startswith("plan lying is left out") for told in planned.workarounds)


def test_a_table_from_elsewhere_ships_nothing_where_nothing_is_right() -> None:
    table = scattered_costs(RESIDUAL, ["lying:how=zeros"], seed=0, granularity="op")
    with pytest.raises(WrongAnswerError, match="off by") as error:
        _planned("lying:how=zeros", costs=table)
    assert error.value.where == "lying"
    with pytest.raises(ToleranceError, match="closest"):
        _planned("lying:how=zeros", costs=table, tolerance=0.5)


def test_a_table_from_elsewhere_and_the_best_that_is_right() -> None:
    """All nodes are pinned that could be blamed, so that plans are left out whole."""
    devices = ("cpu.serial", "lying:how=zeros")
    table = scattered_costs(RESIDUAL, devices, seed=0, granularity="op")
    fast = lying.favoured(table, "lying")
    planned = _planned(*devices, costs=fast)
    assert set(planned.schedule.device_of.values()) == {"cpu.serial"}
    assert planned.checks is not None
    close = _planned(*devices, costs=fast, tolerance=0.5)
    assert set(close.schedule.device_of.values()) == {"cpu.serial"}
    assert close.circumstances == ()


def test_a_node_is_never_left_without_a_device() -> None:
    graph = expanded(cost_table("a: cpu 1, gang 2"))
    fewer = expanded_without(graph, [Fault("a", "gang", "y is off")])
    assert fewer.candidates["a"] == ("cpu",)
    assert fewer.refusals["a"] == {"gang": "y is off"}
    with pytest.raises(UnplaceableError, match="y is off"):
        expanded_without(fewer, [Fault("a", "cpu", "y is off")])
