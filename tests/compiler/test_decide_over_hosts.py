"""Streams over hosts are decided by the costs of all of them."""

from dataclasses import replace

import pytest

from stagecut.compiler import over_hosts as compiler_over_hosts
from stagecut.compiler.context import Settings
from stagecut.compiler.decide_stream import DecideStream
from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.errors import TraceError, UnplaceableError
from stagecut.compiler.ir.planned_stream import PlannedStream
from stagecut.compiler.ir.stream_trace import StreamObserved
from stagecut.compiler.kept_profile import profile_of
from stagecut.compiler.measurements import Measurements
from stagecut.compiler.pipeline import compile_model
from stagecut.compiler.report.headline import lead
from stagecut.compiler.report.model.build import build_report
from stagecut.compiler.report.stream_wording import bottleneck, streaming
from stagecut.passes.profile.profile import Profiled
from tests.support.over_hosts import CAPACITY_BYTES, LAYER_BYTES, layers, measured, plan_over_hosts


def test_the_report_says_where_it_streams_and_what_sets_the_rate() -> None:
    stored = plan_over_hosts("throughput").first
    summary = build_report(stored.planned, read_costs(stored.costs)).summary
    assert "1 × b.cpu.serial" in streaming(summary)
    assert "sets the rate" in bottleneck(summary)
    assert "the link out of local" in bottleneck(summary)


def test_what_was_predicted_of_a_stream_stands_beside_what_was_observed() -> None:
    stored = plan_over_hosts("throughput").first
    planned, table = stored.planned, read_costs(stored.costs)
    assert planned.stream is not None
    devices = tuple(stage.device for stage in planned.schedule.stages)
    period_s = 1.1 * planned.stream.period_s
    observed = StreamObserved(devices, planned.profiled, 40, period_s, 0.02, 0.03, "stage 1 on c")
    summary = build_report(planned, table, stream=observed).summary
    assert lead(summary)[1].endswith("predicted (off by +10.0 %)")
    assert "observed (a traced stream of 40 inputs)" in lead(summary)[1]
    said = "observed: 20.0 ms in the median, 30.0 ms for 99 of 100, stage 1 on c the busiest"
    assert streaming(summary).endswith(said)
    with pytest.raises(TraceError, match="another plan"):
        build_report(planned, table, stream=replace(observed, devices=("cpu.serial",)))
    single = plan_over_hosts().first
    with pytest.raises(TraceError, match="for single runs"):
        build_report(single.planned, read_costs(single.costs), stream=observed)


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


def test_limits_on_latency_and_on_the_weights_of_each_host_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All by the costs of one measurement."""
    measured_once: list[Profiled] = []

    def profiled_once(own: Measurements, expanded: ExpandedGraph) -> Profiled:
        if not measured_once:
            measured_once.append(profile_of(own, expanded))
        return measured_once[0]

    monkeypatch.setattr(compiler_over_hosts, "profile_of", profiled_once)
    monkeypatch.setattr(DecideStream, "costs", lambda *arguments: arguments[-1])

    def streamed(**limits: float) -> PlannedStream:
        planned = compile_model(
            layers(),
            devices=["cpu.serial"],
            granularity="op",
            machine=measured(),
            objective="throughput",
            settings=Settings(effort="quick"),
            **limits,  # type: ignore[arg-type]
        ).first.planned
        assert planned.stream is not None
        return planned.stream

    free = streamed()
    assert {len(places) for places in free.places} == {3}  # replicas of the whole on every host
    split = streamed(max_memory_bytes=4.0 * LAYER_BYTES)
    assert len(split.places) > 1
    latency_s = 0.98 * free.latency_s
    quick = streamed(max_latency_s=latency_s)
    assert quick.latency_s <= latency_s * (1 + 1e-9)
    assert quick.period_s >= free.period_s
    with pytest.raises(UnplaceableError, match="no stream is within"):
        streamed(max_latency_s=1e-12)
