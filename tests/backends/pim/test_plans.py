"""Plans with a PIM in them: the least energy, and no more weights than there is room for."""

import json

import pytest

from stagecut.compiler import Plan, compile_model

#: On so hot a processor, whatever can run in memory is better off there.
HOT = "cpu.serial:watts_per_thread=10000"

#: What a small product and its bias take: two rows and one of all banks of the one channel.
LAYER = 3 * 16 * 1024


def _compiled(capacity_bytes: int = 3 * LAYER) -> Plan:
    pim = f"pim.hbm:channels=1,capacity_bytes={capacity_bytes}"
    return compile_model("zoo:tiny-mlp", devices=[HOT, pim], objective="energy")


def test_every_node_and_every_transfer_has_its_energy() -> None:
    plan = _compiled()
    costs = json.loads(plan.first.costs)
    assert all(set(node["run_j"]) == set(node["run_s"]) for node in costs["nodes"])
    assert all(set(value["move_j"]) == set(value["move_s"]) for value in costs["values"])
    for node in costs["nodes"]:
        assert node["run_j"]["cpu.serial"] == pytest.approx(10_000 * node["run_s"]["cpu.serial"])
    assert costs["devices"][0]["power_w"] == 10_000


def test_the_least_energy_is_found_and_told() -> None:
    planned = _compiled().first.planned
    account = planned.account
    assert {stage.device for stage in planned.schedule.stages} == {"pim.hbm"}
    assert account.energy_j is not None
    assert all(step.energy_j for step in account.steps)
    assert planned.certificate.total == pytest.approx(account.energy_j)
    assert all(stage.load_s > 0 for stage in planned.stages)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_what_has_no_room_runs_elsewhere(layers: int) -> None:
    schedule = _compiled(layers * LAYER).first.planned.schedule
    devices = list(schedule.device_of.values())
    assert devices.count("pim.hbm") == layers
    assert devices.count("cpu.serial") == 3 - layers


def test_without_room_for_any_weight_only_the_rest_runs_in_memory() -> None:
    planned = _compiled(0).first.planned
    held = {planned.schedule.device_of[node.name] for node in planned.nodes if node.weight_bytes}
    assert held == {"cpu.serial"}
