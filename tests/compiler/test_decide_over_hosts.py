"""Streams over hosts are decided by the costs of all of them."""

import pytest

from stagecut.compiler.context import Settings
from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.pipeline import compile_model
from stagecut.compiler.report.model.build import build_report
from stagecut.compiler.report.stream_wording import bottleneck, streaming
from tests.support.over_hosts import CAPACITY_BYTES, LAYER_BYTES, layers, measured, plan_over_hosts


def test_the_report_says_where_it_streams_and_what_sets_the_rate() -> None:
    stored = plan_over_hosts("throughput").first
    summary = build_report(stored.planned, read_costs(stored.costs)).summary
    assert "1 × b.cpu.serial" in streaming(summary)
    assert "sets the rate" in bottleneck(summary)
    assert "the link out of local" in bottleneck(summary)


def test_each_host_alone_is_a_rival_where_it_has_room() -> None:
    plan = compile_model(
        layers(),
        devices=["cpu.serial"],
        granularity="op",
        machine=measured(capacity_bytes=6 * LAYER_BYTES),
        objective="throughput",
        settings=Settings(effort="quick"),
    )
    alone = [each.single_device for each in plan.first.planned.contenders]
    assert {"cpu.serial", "b.cpu.serial", "c.cpu.serial"} <= {*alone}
    stream = plan.first.planned.stream
    assert stream is not None
    # with a third of the weights each, two replicas have room where one of the whole has
    assert {place.replicas for [place] in stream.places} == {2}


def test_without_room_it_is_said() -> None:
    with pytest.raises(UnplaceableError, match="no room"):
        compile_model(
            layers(),
            devices=["cpu.serial"],
            granularity="op",
            machine=measured(capacity_bytes=CAPACITY_BYTES // 4),
            objective="throughput",
            settings=Settings(effort="quick"),
        )
