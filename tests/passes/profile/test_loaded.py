"""Costs scaled to what stages took in a stream."""

import math
from random import Random

import pytest

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.schedule import Stage
from stagecut.passes.profile.loaded import ObservedCall, loaded
from tests.support.tables import US, cost_table, seeded_table

TABLE = cost_table(
    """
    a      : cpu 4, gang 1
    b(a)   : cpu 2, gang 1
    c(b)   : cpu 2
    """
)


def _cpu_us(table: CostTable) -> list[float]:
    return [round(node.run_s["cpu"] / US, 9) for node in table.nodes]


def _seen(nodes: str, call_us: float, device: str = "cpu") -> ObservedCall:
    return ObservedCall(Stage(device, tuple(nodes.split())), call_us * US)


def test_the_example() -> None:
    whole = loaded(TABLE, [_seen("a b c", 12)])
    assert _cpu_us(whole) == [6, 3, 3]
    assert _cpu_us(loaded(TABLE, [_seen("a b c", 12), _seen("a", 7), _seen("b c", 5)])) == [
        7,
        2.5,
        2.5,
    ]
    assert [node.run_s.get("gang") for node in whole.nodes] == [1 * US, 1 * US, None]


def test_the_start_of_a_stage_stays_what_it_is() -> None:
    table = cost_table("a : cpu 4\nb(a): cpu 4", stage_us={"cpu": 3})
    assert _cpu_us(loaded(table, [_seen("a b", 13)])) == [5, 5]
    assert _cpu_us(loaded(table, [_seen("a b", 2)])) == [0, 0]  # it took less than a start


def test_nodes_that_cost_nothing_share_equally() -> None:
    table = cost_table("a : cpu 0\nb(a): cpu 0")
    assert _cpu_us(loaded(table, [_seen("a b", 6)])) == [3, 3]


@pytest.mark.parametrize("seed", range(30))
def test_each_stage_that_was_seen_last_takes_what_it_took(seed: int) -> None:
    random = Random(seed)  # noqa: S311
    table = seeded_table(seed)
    device = table.machine.devices[0]
    able = [node.name for node in table.nodes if device.name in node.run_s]
    cut = random.randint(0, len(able))
    stages = [Stage(device.name, tuple(part)) for part in (able[:cut], able[cut:]) if part]
    calls = [ObservedCall(each, device.stage_s + random.uniform(0, 9) * US) for each in stages]
    found = loaded(table, [*calls[:1], *calls])
    for call in calls:
        run_s = math.fsum(found.node_named[name].run_s[device.name] for name in call.stage.nodes)
        assert math.isclose(run_s + device.stage_s, call.call_s, abs_tol=1e-15)
