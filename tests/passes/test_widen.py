"""A table of one host becomes one of several."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.costs import Budget, CostTable, Endpoint, NodeCosts, ValueCosts
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.machine import Device, Machine, Memory, Route
from stagecut.compiler.ir.objective import LATENCY
from stagecut.passes.partition.partition import Partition
from stagecut.passes.widen import Widen
from tests.support.over_hosts import measured

TABLE = CostTable(
    "two nodes",
    Machine((Memory("host"),), (Device("cpu.serial", "host", stage_s=1e-5, resource="cpu"),)),
    (ValueCosts("x", 100), ValueCosts("u", 1000), ValueCosts("y", 100)),
    (
        NodeCosts(
            "a", "MatMul", {"cpu.serial": 1.0}, ("x",), ("u",), 10, {"cpu.serial": 1.0},
            uses={"error": {"cpu.serial": 0.5}},
        ),
        NodeCosts("b", "MatMul", {"cpu.serial": 2.0}, ("u",), ("y",), 10),
    ),
    (Endpoint("x", "host"),),
    (Endpoint("y", "host"),),
    (Budget("error", 2.0),),
)  # fmt: skip


def test_nodes_take_as_much_longer_there_as_the_probe_does() -> None:
    table = Widen(measured(), "cpu")(TABLE)
    assert table.node_named["a"].run_s == pytest.approx(
        {"cpu.serial": 1.0, "b.cpu.serial": 1.0, "c.cpu.serial": 2.0}
    )
    assert table.node_named["a"].uses["error"] == {
        "cpu.serial": 0.5, "b.cpu.serial": 0.5, "c.cpu.serial": 0.5
    }  # fmt: skip
    assert [each.basis for each in table.machine.devices] == ["measured", "modelled", "modelled"]
    assert table.machine.device("c.cpu.serial").stage_s == pytest.approx(2e-5 + 1e-4)
    assert table.machine.device("c.cpu.serial").keeps_busy == "c.cpu"


def test_each_host_has_a_memory_and_values_take_what_links_were_measured_to() -> None:
    table = Widen(measured(capacity_bytes=10), "cpu")(TABLE)
    assert table.machine.memories == (
        Memory("host", 10, "local"), Memory("b", 10, "b"), Memory("c", 10, "c")
    )  # fmt: skip
    assert [host.address for host in table.machine.hosts] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert len(table.value("u").transfer_s) == 6
    assert table.value("u").transfer_s[Route("b", "c")] == pytest.approx(3e-6)


def test_what_hosts_lose_to_each_other_is_told_and_left_out_of_what_nodes_take() -> None:
    machine = measured()
    hosts = tuple(replace(each, loaded_factor=1.5) for each in machine.hosts)
    table = Widen(replace(machine, hosts=hosts), "cpu")(TABLE)
    assert [host.loaded_factor for host in table.machine.hosts] == [1.5, 1.5, 1.5]
    assert table.nodes == Widen(machine, "cpu")(TABLE).nodes


def test_a_model_that_fits_no_host_is_divided_and_one_that_fits_stays() -> None:
    everything_here = Partition(LATENCY)(Widen(measured(), "cpu")(TABLE)).schedule
    assert [stage.device for stage in everything_here.stages] == ["cpu.serial"]
    divided = Partition(LATENCY)(Widen(measured(capacity_bytes=10), "cpu")(TABLE)).schedule
    assert {stage.device for stage in divided.stages} == {"cpu.serial", "b.cpu.serial"}


def test_a_device_with_a_memory_of_its_own_cannot_be_reached() -> None:
    machine = Machine((Memory("host"), Memory("pim")), (Device("pim", "pim"),))
    table = CostTable("pim", machine, (), ())
    with pytest.raises(UsageError, match="memory of its own"):
        Widen(measured(), "cpu")(table)
