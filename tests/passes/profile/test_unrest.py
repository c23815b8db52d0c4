"""How far apart the times of the same node lie."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.costs import CostTable, Spread
from stagecut.passes.profile.unrest import unrest
from tests.support.tables import cost_table


def _table(widths_s: list[float], *, scale: float = 1.0, runs: int = 8) -> CostTable:
    """Nodes of 3 s and 1 s, whose middle halves are so wide."""
    table = cost_table("a: cpu 3\n b: cpu 1")
    nodes = tuple(
        replace(
            node,
            run_s={"cpu": scale * 1e6 * node.run_s["cpu"]},
            run_spread={"cpu": Spread(runs, 0.0, 0.0, scale * width_s)},
        )
        for node, width_s in zip(table.nodes, widths_s, strict=True)
    )
    return replace(table, nodes=nodes)


CASES = {
    "quiet": (_table([0.6, 0.1]), ""),
    "a short node may be restless": (_table([0.3, 0.6]), ""),
    "a long one may not": (
        _table([1.9, 0.1]),
        "the middle halves of the nodes' times span 50% of their medians",
    ),
    "too short to be quiet": (_table([1.9, 0.1], scale=1e-4), ""),
    "too few runs": (_table([1.9, 0.1], runs=7), ""),
}


@pytest.mark.parametrize(("table", "said"), CASES.values(), ids=CASES.keys())
def test_unrest(table: CostTable, said: str) -> None:
    assert unrest(table) == said
