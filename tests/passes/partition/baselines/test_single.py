"""The whole graph on one device: the one that is named, or the best that can."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.costs import Budget
from stagecut.compiler.ir.errors import DeviceError, StagecutError, UnplaceableError
from stagecut.compiler.ir.machine import Memory
from stagecut.passes.partition.baselines.single import Single
from tests.support.tables import cost_table, placed

TABLE = cost_table(
    "a: cpu 3, pim 5\n b(a): cpu 4, pim 1\n c(b): cpu 2, gang 1\n d(a): cpu 3, pim 2"
)


@pytest.mark.parametrize("device", ["cpu", None], ids=["by name", "the only one that can"])
def test_choice(device: str | None) -> None:
    assert Single(device)(TABLE).assignment.devices == placed("cpu: a, b, c, d").devices


def test_single_takes_the_best_device() -> None:
    table = cost_table("a: cpu 3, gang 2\n b: cpu 1, gang 1")
    assert Single()(table).assignment.devices == placed("gang: a, b").devices


REFUSALS: dict[str, tuple[str, type[StagecutError], str]] = {
    "a device that cannot run all": ("pim", UnplaceableError, "pim cannot run it"),
    "a device that does not exist": ("gpu", DeviceError, "no device 'gpu'"),
}


@pytest.mark.parametrize(("device", "error", "problem"), REFUSALS.values(), ids=REFUSALS.keys())
def test_refusal(device: str, error: type[StagecutError], problem: str) -> None:
    with pytest.raises(error, match=problem) as raised:
        Single(device)(TABLE)
    assert raised.value.fix


def test_no_single_device_is_left() -> None:
    with pytest.raises(UnplaceableError, match="no single device"):
        Single()(cost_table("a: cpu 1\n b: pim 1"))


def test_single_leaves_out_devices_that_lack_room() -> None:
    drawn = cost_table("a: cpu 3, pim 1\n b(a): cpu 3, pim 1")
    memories = tuple(
        Memory(memory.name, 9 if memory.name == "pim" else None)
        for memory in drawn.machine.memories
    )
    heavy = replace(
        drawn,
        machine=replace(drawn.machine, memories=memories),
        nodes=tuple(replace(node, resident_bytes={"pim": 5}) for node in drawn.nodes),
    )
    assert set(Single()(drawn).assignment.devices.values()) == {"pim"}
    assert set(Single()(heavy).assignment.devices.values()) == {"cpu"}


def test_a_device_that_exceeds_a_budget_is_passed_over() -> None:
    table = cost_table("a: cpu 1, pim 2")
    nodes = tuple(replace(node, uses={"error": {"cpu": 1.0, "pim": 0.0}}) for node in table.nodes)
    limited = replace(table, nodes=nodes, budgets=(Budget("error", 0.5),))
    assert Single()(limited).assignment["a"] == "pim"
