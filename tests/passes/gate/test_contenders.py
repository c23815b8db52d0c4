"""Who is compared: the optimum, its plainer cousin, devices alone, and devices first."""

from dataclasses import replace

from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.machine import Memory
from stagecut.compiler.ir.objective import LATENCY
from stagecut.passes.gate.contenders import Proposal, proposals
from stagecut.passes.partition.partition import Partition
from tests.support.tables import US, cost_table


def _proposals(table: CostTable) -> tuple[Proposal, ...]:
    return proposals(table, Partition()(table), LATENCY)


def _compared(table: CostTable) -> dict[str, str]:
    """Where each runs the nodes, in the table's order."""
    nodes = [node.name for node in table.nodes]
    return {
        proposal.name: " ".join(map(proposal.schedule.device_of.__getitem__, nodes))
        for proposal in _proposals(table)
    }


def test_devices_that_cannot_run_everything_take_part_with_the_help_of_others() -> None:
    table = cost_table("a: cpu 5, gang 4\n b(a): cpu 5\n c(b): cpu 4, gang 5")
    assert _compared(table) == {
        "optimum": "gang cpu cpu",
        "cpu": "cpu cpu cpu",
        "gang first": "gang cpu gang",
    }


def test_an_optimum_of_many_stages_brings_one_of_fewer() -> None:
    ups = "\n".join(
        f"n{i}(n{i - 1}): cpu {10 + i % 2 / 100}, gang {10.005}" if i else "n0: cpu 10, gang 10.005"
        for i in range(12)
    )
    table = cost_table(ups)
    found = _compared(table)
    assert found["optimum"].split().count("gang") == 6
    assert set(found) >= {"optimum", "cpu", "gang"}


def test_the_same_plan_is_compared_once_and_keeps_all_its_names() -> None:
    table = cost_table("a: cpu 1, gang 2\n b(a): cpu 1")
    assert _compared(table) == {"cpu": "cpu cpu", "gang first": "gang cpu"}
    optimum, first = _proposals(table)
    assert list(map(str, optimum.ids)) == ["optimum", "cpu"]
    assert str(optimum) == "optimum, cpu: 1 stages"
    assert list(map(str, first.ids)) == ["gang first"]


def test_a_device_without_room_is_no_contender() -> None:
    drawn = cost_table("a: cpu 3, pim 1\n b(a): cpu 3, pim 1", transfer_us={})
    assert set(_compared(drawn)) == {"pim", "cpu"}
    machine = replace(drawn.machine, memories=(Memory("host"), Memory("pim", 100)))
    nodes = tuple(replace(node, weight_bytes=60) for node in drawn.nodes)
    assert set(_compared(replace(drawn, machine=machine, nodes=nodes))) == {"cpu"}


def test_a_device_from_which_an_output_cannot_return_is_no_contender() -> None:
    table = cost_table("a: cpu 3, pim 1", transfer_us={"host>pim": 1}, outputs="a@host")
    assert set(_compared(table)) == {"cpu"}


def test_what_is_accounted_for_is_what_was_proposed() -> None:
    """In the order that starts fewest stages, whoever proposes it."""
    table = cost_table(
        "a: cpu 1, gang 9\n b: cpu 9, gang 1\n c(a): cpu 1, gang 9\n d(b): cpu 9, gang 1",
        stage_us={"cpu": 1, "gang": 1},
    )
    found = _proposals(table)
    assert found[0].account.latency_s == 6 * US
    assert all(account(table, each.schedule) == each.account for each in found)
