"""Plans for streams: what ships is right, fits the machine, and is the best that was seen."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.context import Settings
from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.formats.plan_file import Plan
from stagecut.compiler.ir.contender import ContenderKind
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import CostTableError, UnplaceableError, WrongAnswerError
from stagecut.compiler.ir.machine import Device, Resource
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.ir.stream import StreamSchedule, stream_account
from stagecut.compiler.measure.cpus import usable_cpus
from stagecut.runtime.session import Session
from tests.support import lying
from tests.support.onnx_models import MODELS
from tests.support.scattered import scattered_costs

RESIDUAL = MODELS["residual"].proto()
SETTINGS = Settings(effort="quick", load=lambda: None, warn=lambda _: None)


def _plan(*devices: str, **options: object) -> Plan:
    return compile_model(
        RESIDUAL,
        devices=devices or None,
        granularity="op",
        objective="throughput",
        settings=SETTINGS,
        **options,  # type: ignore[arg-type]
    )


def _checked(plan: Plan) -> PlannedVariant:
    """What has to be so of every plan for streams whose parts are all measured."""
    planned = plan.first.planned
    assert planned.objective == "throughput"
    assert planned.stream is not None
    table = read_costs(plan.first.costs)
    stream = StreamSchedule(planned.schedule, planned.stream.replicas)
    account = stream_account(table, stream)
    assert planned.stream.period_s == account.period_s
    assert planned.stream.latency_s == account.latency_s
    assert planned.certificate.total <= account.period_s * (1 + 1e-9)
    [optimum] = [each for each in planned.contenders if each.is_optimum]
    assert optimum.predicted_s == pytest.approx(planned.certificate.total)
    return planned


def _streams_right(plan: Plan) -> None:
    feeds = [{"x": np.full((2, 4), number, np.float32)} for number in range(20)]
    with Session(plan) as session:
        for given, outputs in zip(feeds, session.stream(feeds), strict=True):
            assert not isinstance(outputs, Exception)
            np.testing.assert_allclose(outputs[0], session.run(None, given)[0], rtol=1e-5)


def test_replicas_of_the_whole_on_equal_cores(tmp_path: Path) -> None:
    plan = _plan("cpu.serial")
    planned = _checked(plan)
    cores = usable_cpus()
    assert planned.stream is not None
    assert planned.stream.replicas == (cores,)
    assert planned.shipped.id.kind is ContenderKind.SINGLE
    assert planned.shipped.id.replicas == cores
    assert planned.shipped.is_optimum
    assert planned.observed_s == planned.shipped.median_s > 0
    _streams_right(plan)
    plan.save(tmp_path / "stream.plan")
    again = Plan.load(tmp_path / "stream.plan")
    assert again.first.planned == planned
    _streams_right(again)


def test_devices_that_compete_for_the_cores() -> None:
    planned = _checked(_plan("cpu.serial", "cpu.parallel"))
    names = {str(each.id) for each in planned.contenders}
    cores = usable_cpus()
    assert {f"{cores} x cpu.serial" if cores > 1 else "cpu.serial", "cpu.parallel"} <= names
    best = min(planned.contenders, key=lambda each: each.median_s)
    assert planned.shipped.median_s <= best.high_s


def test_a_pipeline_of_cores_and_a_modelled_device() -> None:
    """The PIM takes the products, a core the last sum, however busy this machine is."""
    pins = ["MatMul=pim.hbm", "Add_1=cpu.serial"]
    plan = _plan("cpu.serial", "pim.hbm", pins=pins)
    planned = plan.first.planned
    assert planned.stream is not None
    assert planned.stream.basis == "modelled"
    assert len(planned.stages) == len(planned.stream.replicas) > 1
    assert planned.observed_s is None
    _streams_right(plan)


def _costs(run_s: Mapping[str, Mapping[str, float]], cores: int) -> object:
    table = scattered_costs(RESIDUAL, ["cpu.serial", "cpu.parallel"], seed=0, granularity="op")
    nodes = tuple(replace(node, run_s=dict(run_s[node.name])) for node in table.nodes)
    devices = (Device("cpu.serial", "host", resource="cpu"), Device("cpu.parallel", "host"))
    machine = replace(table.machine, devices=devices, resources=(Resource("cpu", cores),))
    return replace(table, machine=machine, nodes=nodes)


def test_costs_that_are_handed_in_are_believed() -> None:
    """A core, and a device of its own that is fast for what the core is slow for."""
    table = scattered_costs(RESIDUAL, ["cpu.serial", "cpu.parallel"], seed=0, granularity="op")
    first = {node.name for node in table.nodes[:2]}
    run_s = {
        node.name: {"cpu.serial": 1.0 if node.name in first else 9.0, "cpu.parallel": 1.0}
        for node in table.nodes
    }
    plan = _plan(costs=_costs(run_s, cores=1))
    planned = _checked(plan)
    assert planned.shipped.accounting == "predicted"
    assert planned.shipped.is_optimum
    assert {stage.device for stage in planned.schedule.stages} == {"cpu.serial", "cpu.parallel"}
    _streams_right(plan)


def test_costs_of_batches_are_refused() -> None:
    table = scattered_costs(RESIDUAL, ["cpu.serial"], seed=0, granularity="op")
    devices = tuple(replace(device, batch=4) for device in table.machine.devices)
    table = replace(table, machine=replace(table.machine, devices=devices))
    with pytest.raises(CostTableError, match="a plan runs one") as error:
        _plan(costs=table)
    assert error.value.where == "devices[0].batch"


def test_what_is_proved_within_limits_is_said_to_be() -> None:
    free = _checked(_plan("cpu.serial", "cpu.parallel"))
    assert free.stream is not None
    slow = _plan("cpu.serial", "cpu.parallel", max_latency_s=10.0).first.planned
    assert "within" not in slow.certificate.claim  # nothing was held back by it
    assert slow.provenance.options["max latency"] == "10s"


def test_energy_of_an_input_is_limited() -> None:
    """Two devices on the CPU, of which the thrifty one is slow."""
    table = scattered_costs(RESIDUAL, ["cpu.serial", "cpu.parallel"], seed=0, granularity="op")
    run_s = {node.name: {"cpu.serial": 1.0, "cpu.parallel": 9.0} for node in table.nodes}
    priced = _costs(run_s, cores=1)
    assert isinstance(priced, CostTable)
    nodes = (replace(node, run_j={"cpu.serial": 3.0, "cpu.parallel": 1.0}) for node in priced.nodes)
    values = (
        replace(each, transfer_j=dict.fromkeys(each.transfer_s, 0.0)) for each in priced.values
    )
    priced = replace(priced, nodes=tuple(nodes), values=tuple(values))
    most_j = len(priced.nodes) + 2.0
    plan = _plan(costs=priced, max_energy_j=most_j)
    planned = _checked(plan)
    on_serial = [name for name in planned.schedule.device_of.values() if name == "cpu.serial"]
    assert len(on_serial) == 1
    assert planned.account.energy_j == most_j
    assert planned.provenance.options["max energy"] == f"{most_j:g}J"
    assert "J of energy an input is faster" in planned.certificate.claim
    with pytest.raises(UnplaceableError, match=f"the least that can be had is {most_j - 2:.2f} J"):
        _plan(costs=priced, max_energy_j=1.0)


@pytest.fixture
def _lying(monkeypatch: pytest.MonkeyPatch) -> None:
    lying.use(monkeypatch)


@pytest.mark.usefixtures("_lying")
def test_a_device_that_lies_is_left_out() -> None:
    plan = _plan("cpu.serial", "lying:how=zeros")
    planned = _checked(plan)
    assert set(planned.schedule.device_of.values()) == {"cpu.serial"}
    assert any("lying" in told for told in planned.workarounds)
    _streams_right(plan)


@pytest.mark.usefixtures("_lying")
def test_of_costs_that_are_handed_in_only_the_wrong_node_moves() -> None:
    table = scattered_costs(RESIDUAL, ["cpu.serial", "lying"], seed=0, granularity="op")
    fast = lying.favoured(table, "lying")
    two_cores = replace(fast.machine, resources=(Resource("cpu", 2),))
    fast = replace(fast, machine=two_cores)
    plan = _plan("cpu.serial", "lying:how=zeros,on=Relu", costs=fast)
    planned = plan.first.planned
    device_of = planned.schedule.device_of
    assert device_of["Relu"] == "cpu.serial"
    assert "lying" in device_of.values()
    _streams_right(plan)


@pytest.mark.usefixtures("_lying")
def test_nothing_that_is_wrong_ships() -> None:
    pins = ["*=lying"]
    with pytest.raises((WrongAnswerError, UnplaceableError)):
        _plan("cpu.serial", "lying:how=zeros", pins=pins)
