"""A table that measures nothing leads the partition to the devices that were chosen."""

from random import Random

import pytest

from stagecut.passes.partition.partition import Partition
from stagecut.passes.profile.synthetic import synthetic_costs, unmeasured
from tests.support.expanded import expanded
from tests.support.tables import cost_table

GRAPH = expanded(
    cost_table(
        "a(x): cpu 1, pim 1\n b(a): gang 1\n c(a, b): cpu 1, gang 1, pim 1",
        inputs="x@host",
        outputs="c@host",
    )
)


class Choice:
    """Any of the candidates, node after node."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311
        self.chosen: list[str] = []

    def __call__(self, candidates: tuple[str, ...]) -> str:
        self.chosen.append(self._random.choice(candidates))
        return self.chosen[-1]


@pytest.mark.parametrize("seed", range(10))
def test_every_node_runs_where_it_was_chosen_to_run(seed: int) -> None:
    choose = Choice(seed)
    best = Partition()(synthetic_costs(GRAPH, choose))
    assert [*best.assignment.devices.values()] == choose.chosen
    assert best.total_s == 0


def test_the_table_is_of_the_graph() -> None:
    table = synthetic_costs(GRAPH, lambda candidates: candidates[-1])
    assert [dict(node.run_s) for node in table.nodes] == [
        {"cpu": 1.0, "pim": 0.0},
        {"gang": 0.0},
        {"cpu": 1.0, "gang": 1.0, "pim": 0.0},
    ]
    assert [(end.name, end.memory) for end in table.inputs] == [("x", "host")]
    assert [(end.name, end.memory) for end in table.outputs] == [("c", "host")]
    assert table.machine == GRAPH.machine


def test_what_is_not_measured_runs_on_the_first_device_that_can() -> None:
    best = Partition()(unmeasured(GRAPH))
    assert dict(best.assignment.devices) == {"a": "cpu", "b": "gang", "c": "cpu"}
