"""Streams in which some stages take several inputs in a call: what they could do, by the costs."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.costs import CostTable, with_errors
from stagecut.compiler.ir.machine import Device
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.stream_certificate import Limit
from stagecut.compiler.mixed_batches import MixedBatches, mixed_batches, mixed_table
from stagecut.passes.profile.loaded import ObservedCall
from tests.support.streams import every_account, least_period, stream_table

US = 1e-6
CPU = Device("cpu", "host", resource="cores")


def _table(nodes: str, units: int = 2) -> CostTable:
    return stream_table(nodes, CPU, cores=units)


ALONE = _table("embed: cpu 1\nblocks(embed): cpu 4\nhead(blocks): cpu 2")
EIGHTS = _table("embed: cpu 8\nblocks(embed): cpu 24\nhead(blocks): cpu 32")


def _found(alone: CostTable, together: CostTable, *limits: Limit) -> MixedBatches:
    found = mixed_batches(alone, together, 8, limits)
    assert found is not None
    return found


def test_each_stage_as_it_is_best() -> None:
    """Of six cores one takes 1 us for an input, three 3 us in eights, and two 2 us: 1 us an input.
    Six replicas of all take 7 / 6 us one by one."""
    machine = _table("a: cpu 1", 6).machine
    found = _found(replace(ALONE, machine=machine), replace(EIGHTS, machine=machine))
    assert found.uniform_s == pytest.approx(7 / 6 * US)
    assert found.solution.account.period_s == pytest.approx(US)
    assert found.gain == pytest.approx(1 / 6)
    assert {each.device for each in found.solution.stream.schedule.stages} == {"cpu", "cpu in 8s"}
    assert found.batches == (8, 1)
    assert [each.device for each in found.stages] == ["cpu"] * 2
    assert found.is_worth_it
    said = found.told("in turns 3% slower")
    assert said.startswith("stages on cpu with 1 or 8 inputs in a call, as each is best: by the")
    assert said.endswith("4 x cpu in 8s > 2 x cpu; in turns 3% slower")
    assert found.told("").endswith("> 2 x cpu")


def test_nothing_is_won_where_all_are_best_alike() -> None:
    found = _found(ALONE, _table("embed: cpu 9\nblocks(embed): cpu 33\nhead(blocks): cpu 17"))
    assert found.gain == 0.0
    assert not found.is_worth_it
    assert found.told("").endswith("by the costs no schedule is faster")
    slower = replace(found, uniform_s=found.uniform_s * 1.012)
    assert slower.told("").endswith("no schedule is more than 1.2% faster")


def test_what_was_seen_of_a_stage_counts_in_such_streams_alone() -> None:
    """The blocks took longer in eights behind the first stage than they did in batches of all."""
    machine = _table("a: cpu 1", 6).machine
    costs = replace(ALONE, machine=machine), replace(EIGHTS, machine=machine)
    seen = [ObservedCall(Stage("cpu in 8s", ("blocks",)), 80 * US)]
    found = _found(*costs).solved_again(seen, ())
    assert found is not None
    assert found.uniform_s == pytest.approx(7 / 6 * US)
    assert found.batches == (1,)
    assert not found.is_worth_it


def test_it_says_no_more_than_what_is_proved() -> None:
    """Of nodes that may run in any order, those that are stretches of the graph's order; and where
    the search was not finished, how much faster one could be."""
    gpu = Device("gpu", "host", resource="gpu")

    def wide(factor: int) -> CostTable:
        costs = f"cpu {factor}, gpu {9 * factor}", f"cpu {9 * factor}, gpu {factor}"
        nodes = [f"n{i}: {costs[i % 2]}" for i in range(18)]
        return stream_table("\n".join(nodes), CPU, gpu, cores=1, gpu=1)

    found = _found(wide(1), wide(8))
    assert found.told("").endswith("no pipeline of stretches of the graph's order is faster")
    proof = found.solution.certificate
    stopped = replace(proof, found=proof.period, period=proof.period * 4 / 5)
    unsure = replace(found, solution=replace(found.solution, certificate=stopped))
    assert unsure.told("").endswith("of the graph's order is more than 25.0% faster")
    shown = replace(unsure, uniform_s=2 * unsure.uniform_s).told("")
    assert "(100.0% faster; no pipeline of stretches" in shown


def test_a_device_with_no_name_for_its_cores_has_them_once() -> None:
    npu = Device("npu", "host")
    found = _found(
        stream_table("a: npu 1\nb(a): npu 1", npu), stream_table("a: npu 8\nb(a): npu 8", npu)
    )
    assert found.gain == 0.0


def test_it_is_about_the_devices_of_the_host() -> None:
    """Of the other one, what it does in batches would be faster."""
    pim = Device("pim", "pim", resource="pim")
    alone = stream_table("a: cpu 1, pim 9\nb(a): cpu 1, pim 9", CPU, pim, cores=1, pim=1)
    eights = stream_table("a: cpu 9, pim 8\nb(a): cpu 9, pim 8", CPU, pim, cores=1, pim=1)
    found = _found(alone, eights)
    assert found.told("").startswith("stages on cpu with 1 or 8 inputs in a call")
    assert found.uniform_s == pytest.approx(2 * US)
    assert {each.device for each in found.solution.stream.schedule.stages} == {"cpu"}


def test_it_is_the_best_of_all() -> None:
    table = mixed_table(ALONE, EIGHTS, 8)
    assert table is not None
    least = least_period(every_account(table))
    assert _found(ALONE, EIGHTS).solution.account.period_s == pytest.approx(least)


def test_inputs_that_wait_for_their_batch_keep_to_a_limit_on_latency() -> None:
    found = _found(ALONE, EIGHTS, Limit("latency", 8 * US))
    assert [each.device for each in found.solution.stream.schedule.stages] == ["cpu"]
    assert mixed_batches(ALONE, EIGHTS, 8, (Limit("latency", US),)) is None


OTHERS = {
    "another node": _table("embed: cpu 8\nblock(embed): cpu 24\nhead(block): cpu 32"),
    "another order": _table("embed: cpu 8\nhead(embed): cpu 24\nblocks(head): cpu 32"),
    "other cores": stream_table(
        "embed: gpu 8\nblocks(embed): gpu 24\nhead(blocks): gpu 32", Device("gpu", "host")
    ),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_of_other_nodes_and_cores_nothing_can_be_said(other: CostTable) -> None:
    assert mixed_batches(ALONE, other, 8, ()) is None


def test_what_batches_use_of_a_budget_is_what_single_inputs_do_where_nothing_else_is_known() -> (
    None
):
    ruled = with_errors(ALONE, {"blocks": {"cpu": 0.5}}, 0.1)
    found = mixed_table(ruled, EIGHTS, 8)
    assert found is not None
    assert found.node_named["blocks"].uses == {"error": {"cpu": 0.5, "cpu in 8s": 0.5}}
    assert mixed_batches(ruled, EIGHTS, 8, ()) is None  # none keeps to it
