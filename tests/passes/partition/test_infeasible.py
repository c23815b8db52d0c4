"""Why nothing is possible: which budget is too small, and by how much, or a way that is missing."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.costs import Budget, CostTable, with_energy_limit
from stagecut.compiler.ir.machine import Memory
from stagecut.passes.partition.infeasible import why_infeasible
from tests.support.tables import cost_table

APART = cost_table("a: cpu 1\n b(a): pim 1", transfer_us={"pim>host": 1})


def _heavy(sizes: str, rooms: tuple[int | None, int | None]) -> CostTable:
    """Nodes of so many bytes, which can run anywhere but share nothing."""
    names = "abcdef"[: len(sizes.split())]
    table = cost_table("\n".join(f"{name}: cpu 1, pim 1" for name in names))
    memories = tuple(map(Memory, ("host", "pim"), rooms))
    nodes = tuple(
        replace(node, weight_bytes=int(size))
        for node, size in zip(table.nodes, sizes.split(), strict=True)
    )
    machine = replace(table.machine, memories=memories)
    return replace(table, machine=machine, nodes=nodes)


def _with_budget(limit: float) -> CostTable:
    table = cost_table("a: cpu 1, pim 1\n b: cpu 1, pim 1")
    uses = {"error": {"cpu": 2.0, "pim": 1.0}}
    nodes = tuple(replace(node, uses=uses) for node in table.nodes)
    return replace(table, nodes=nodes, budgets=(Budget("error", limit),))


def _with_energy(limit_j: float) -> CostTable:
    table = cost_table("a: cpu 1", transfer_us={})
    nodes = tuple(replace(node, run_j={"cpu": 3e-9}) for node in table.nodes)
    return with_energy_limit(replace(table, nodes=nodes), limit_j)


CASES = {
    "a way is missing": (APART, "links", "cannot get from the devices that write them"),
    "a memory is too small": (
        _heavy("60 60", (0, 100)),
        "memories[1].capacity_bytes",
        "lacks room for 20 bytes in pim",
    ),
    "and how much that is in large units": (
        _heavy(f"{2**20} {2**20}", (0, 2**20)),
        "memories[1].capacity_bytes",
        "lacks room for 1.00 MiB (1048576 bytes) in pim",
    ),
    "a budget is too small": (
        _with_budget(1.25),
        "budget error",
        "the closest exceeds error by 0.75",
    ),
    "an energy is too small by little in joules": (
        _with_energy(2e-9),
        "budget energy",
        "the closest exceeds energy by 1.00 nJ",
    ),
}


@pytest.mark.parametrize(("table", "where", "problem"), CASES.values(), ids=CASES.keys())
def test_why(table: CostTable, where: str, problem: str) -> None:
    error = why_infeasible(table)
    assert problem in error.problem
    assert error.where == where
    assert error.fix
