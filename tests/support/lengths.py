"""Costs of a decode step along its length, for tests: what each node takes grows as it is told."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.costs_by_length import CostsByLength
from tests.support.tables import US, cost_table

#: `scores` reads what the sequence holds; so does `mix`.
STEP = """
    up            : cpu 4, pim 2
    scores(up)    : cpu 3, pim 6
    mix(scores)   : cpu 2, pim 5
    head(mix)     : cpu 6, pim 3
"""

#: Microseconds for each token, by node and device.
SLOPES = {"scores": {"cpu": 0.1, "pim": 0.02}, "mix": {"cpu": 0.05, "pim": 0.02}}


def steps(
    lengths: Sequence[int] = (10, 100, 1000),
    nodes: str = STEP,
    slopes: Mapping[str, Mapping[str, float]] = SLOPES,
) -> CostsByLength:
    """The nodes' costs with nothing before them, and what each token adds."""
    table = cost_table(nodes, inputs="", outputs="head@host" if "head" in nodes else "")
    return CostsByLength(tuple(lengths), tuple(_grown(table, slopes, each) for each in lengths))


def _grown(table: CostTable, slopes: Mapping[str, Mapping[str, float]], length: int) -> CostTable:
    nodes = (
        replace(
            node,
            run_s={
                device: run_s + US * length * slopes.get(node.name, {}).get(device, 0.0)
                for device, run_s in node.run_s.items()
            },
        )
        for node in table.nodes
    )
    return replace(table, nodes=tuple(nodes))
