"""Compiles for several hosts, made on one."""

import numpy as np
import pytest

from stagecut.compiler.context import Settings
from stagecut.compiler.formats.plan_file import Plan
from stagecut.compiler.ir.errors import DeviceError, StagecutError, UsageError
from stagecut.compiler.pipeline import compile_model
from stagecut.runtime.hosts.over_hosts import far_devices
from stagecut.runtime.session import Session
from tests.support.over_hosts import CAPACITY_BYTES, layers, measured, plan_over_hosts


def test_a_model_that_fits_no_host_is_spread_over_all_and_is_right() -> None:
    plan = plan_over_hosts()
    planned = plan.first.planned
    assert plan.certificate.exact
    used = {name: planned.account.uses[f"bytes in {name}"] for name in ("host", "b", "c")}
    assert used == dict.fromkeys(used, CAPACITY_BYTES)
    assert set(far_devices(planned.machine, planned.schedule)) == {"b.cpu.serial", "c.cpu.serial"}
    assert planned.provenance.devices["b.cpu.serial"] == "b.cpu.serial=cpu.serial"
    assert planned.account.basis == "modelled"
    assert planned.accuracy[0].max_abs == 0.0
    assert planned.fallback is None


def test_a_model_that_fits_here_stays_here_and_runs_without_a_cluster() -> None:
    plan = compile_model(
        layers(), devices=["cpu.serial"], machine=measured(), settings=Settings(effort="quick")
    )
    assert far_devices(plan.first.planned.machine, plan.first.planned.schedule) == ()
    with Session(plan) as session:
        session.run(None, {"y0": np.zeros((1, 32), np.float32)})


def test_a_stream_has_replicas_of_the_whole_on_all_hosts_where_it_fits() -> None:
    plan = compile_model(
        layers(),
        devices=["cpu.serial"],
        machine=measured(),
        objective="throughput",
        settings=Settings(effort="quick"),
    )
    planned = plan.first.planned
    assert planned.stream is not None
    [places] = planned.stream.places
    assert [each.device for each in places] == ["cpu.serial", "b.cpu.serial", "c.cpu.serial"]
    [*others] = [each for each in planned.contenders if not each.is_optimum]
    assert planned.shipped.median_s < min(each.median_s for each in others)
    assert plan.certificate.exact
    assert "no stream of" in plan.certificate.statement
    assert planned.accuracy[0].max_abs == 0.0


def test_a_stream_of_a_model_that_fits_no_host_has_a_stage_on_each() -> None:
    stream = plan_over_hosts("throughput").first.planned.stream
    assert stream is not None
    assert sorted(place.device for [place] in stream.places) == [
        "b.cpu.serial", "c.cpu.serial", "cpu.serial"
    ]  # fmt: skip
    assert {each.name for each in stream.loads} >= {"the link out of local", "the link into b"}


def test_a_plan_over_hosts_says_what_it_needs() -> None:
    with pytest.raises(DeviceError, match="other hosts") as caught:
        Session(plan_over_hosts())
    assert "--cluster" in caught.value.fix


def test_what_cannot_be_planned_is_said_before_anything_is_measured() -> None:
    quick = Settings(effort="quick")
    cases: list[tuple[dict[str, object], str]] = [
        ({"objective": "throughput", "max_batch": 4}, "no such limit"),
        ({"objective": "energy"}, "latency"),
        ({"costs": plan_over_hosts().first.costs and _costs(plan_over_hosts())}, "own machine"),
    ]
    for more, said in cases:
        with pytest.raises(UsageError, match=said):
            compile_model(layers(), machine=measured(), settings=quick, **more)  # type: ignore[arg-type]
    with pytest.raises(StagecutError, match="no other host has a device"):
        compile_model(layers(), devices=["null"], machine=measured(), settings=quick)


def _costs(plan: Plan) -> object:
    from stagecut.compiler.formats.costs_json import read_costs

    return read_costs(plan.first.costs)
