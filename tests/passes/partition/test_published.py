"""On the traces published with Kim et al. (ACM TODAES, doi 10.1145/3628599): known totals.

What stands here are our own results for them, in seconds, under the objective of docs/costs.md:
a transfer is paid once per value and memory.
"""

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import TypeVar

import pytest

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.machine import Route
from stagecut.passes.partition.baselines.greedy import Greedy
from stagecut.passes.partition.baselines.priority import Priority
from stagecut.passes.partition.baselines.single import Single
from stagecut.passes.partition.milp.milp import Milp
from stagecut.passes.partition.partition import Partition
from tests.support.published import published

Key = TypeVar("Key", str, Route)

#: Serial, parallel first, PIM first, greedy, optimum.
TOTALS_S = {
    "bert-8": (0.241937, 0.077558, 0.1112385, 0.037904, 0.037343),
    "bert-16": (0.346019, 0.112824, 0.142352, 0.068427, 0.06761),
    "bert-32": (0.529564, 0.182179, 0.2072395, 0.132177, 0.130372),
    "bert-64": (0.937429, 0.316288, 0.3329575, 0.253554, 0.252165),
    "roberta-8": (1.560708, 0.471135, 0.4503, 0.242617, 0.241923),
    "roberta-16": (2.234778, 0.662873, 0.662345, 0.450037, 0.447897),
    "roberta-32": (3.460562, 1.028031, 1.119832, 0.887614, 0.871307),
    "roberta-64": (5.973687, 1.841813, 2.020448, 1.675386, 1.669347),
    "gpt2-8": (1.618548, 0.489683, 0.286086, 0.250272, 0.250272),
    "gpt2-16": (2.207258, 0.670815, 0.513089, 0.447596, 0.447596),
    "gpt2-32": (3.433544, 1.031226, 0.974164, 0.835029, 0.833341),
    "gpt2-64": (5.882806, 1.766959, 1.917519, 1.622115, 1.614689),
}

CANDIDATES = {"bert-8": 469, "roberta-8": 1317, "gpt2-8": 2593}


@pytest.mark.parametrize("case", TOTALS_S)
def test_totals(case: str) -> None:
    table = published(case)
    methods = (
        Single("cpu.serial"),
        Priority(("cpu.parallel", "pim", "cpu.serial")),
        Priority(("pim", "cpu.parallel", "cpu.serial")),
        Greedy(),
        Partition(),
    )
    totals_s = tuple(method(table).total_s for method in methods)
    assert totals_s == pytest.approx(TOTALS_S[case], rel=1e-9)


@pytest.mark.parametrize(("case", "candidates"), CANDIDATES.items())
def test_number_of_candidates(case: str, candidates: int) -> None:
    assert sum(len(node.run_s) for node in published(case).nodes) == candidates


@pytest.mark.parametrize("case", ["bert-64", "roberta-64", "gpt2-32"])
def test_perturbed_tables_agree_with_an_integer_program(case: str) -> None:
    table = _perturbed(published(case), Random(case))  # noqa: S311
    assert Partition()(table).total_s == pytest.approx(Milp()(table).total_s, rel=1e-9)


def _perturbed(table: CostTable, random: Random) -> CostTable:
    """Every figure changed by up to a fifth."""

    def changed(costs: Mapping[Key, float]) -> dict[Key, float]:
        return {key: cost * random.uniform(0.8, 1.2) for key, cost in costs.items()}

    return replace(
        table,
        values=tuple(
            replace(value, transfer_s=changed(value.transfer_s)) for value in table.values
        ),
        nodes=tuple(replace(node, run_s=changed(node.run_s)) for node in table.nodes),
    )
