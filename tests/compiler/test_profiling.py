"""The first half of a compile by itself: it measures what a compile would, and says what."""

from collections.abc import Sequence
from pathlib import Path

import onnx_ir as ir
import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.context import Settings
from stagecut.compiler.formats.costs_json import read_costs, write_costs
from stagecut.compiler.formats.plan_file import Plan
from stagecut.compiler.formats.weights import WeightFile, write_weights
from stagecut.compiler.ir.costs import CostModel, CostTable
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.measure.cpus import usable_cpus
from stagecut.compiler.profiling import (
    plan_profile,
    profile_by_length,
    profile_model,
)
from stagecut.passes.partition.throughput.throughput import Throughput
from stagecut.passes.partition.throughput.verify import verify
from tests.support.decoders import tiny_decoder
from tests.support.onnx_models import MODELS

RESIDUAL = MODELS["residual"].proto()
QUICK = Settings(effort="quick")


def _compiled(devices: list[str], costs: CostTable | CostModel) -> Plan:
    return compile_model(RESIDUAL, devices=devices, costs=costs, settings=QUICK)


def test_what_was_profiled_is_what_is_compiled_from() -> None:
    profiled = profile_model(RESIDUAL, devices=["cpu.serial", "null:memory=pim"], settings=QUICK)
    assert [path.name for path in profiled.paths] == ["cpu.serial"]
    planned = plan_profile(RESIDUAL, devices=["cpu.serial", "null:memory=pim"])
    assert [path.name for path in planned.paths] == ["cpu.serial"]
    plan = _compiled(["cpu.serial", "null:memory=pim"], profiled.costs)
    assert read_costs(plan.first.costs).nodes == profiled.costs.nodes


def test_costs_of_streams_are_those_that_a_stream_is_decided_by() -> None:
    """On all CPUs, whichever of them is the fastest."""
    profiled = profile_model(
        RESIDUAL,
        devices=["cpu.serial", "cpu.parallel"],
        objective="throughput",
        settings=QUICK,
    )
    table = read_costs(write_costs(profiled.costs))
    assert table == profiled.costs
    assert table.machine.units_of["cpu"] == usable_cpus()
    alone = profile_model(RESIDUAL, devices=["cpu.serial", "cpu.parallel"], settings=QUICK)
    assert {node.name for node in alone.costs.nodes} == {node.name for node in table.nodes}
    found = Throughput()(table)
    verify(table, found.certificate)
    assert found.account.period_s > 0


def test_costs_are_not_for_anything() -> None:
    with pytest.raises(UsageError, match="objective") as error:
        profile_model(RESIDUAL, objective="energy")  # type: ignore[arg-type]
    assert "throughput" in str(error.value)


def test_the_weights_of_a_step_are_written_once_for_all_lengths(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written: list[tuple[WeightFile, ...]] = []

    def write(models: Sequence[ir.Model], folder: Path) -> tuple[WeightFile, ...]:
        written.append(write_weights(models, folder))
        return written[-1]

    monkeypatch.setattr("stagecut.compiler.profiling.write_weights", write)
    found = profile_by_length(tiny_decoder(), (16, 64), devices=["cpu.serial"], settings=QUICK)
    assert found.lengths == (16, 64)
    [[one, other]] = written
    assert one.places
    assert one == other
