"""Which transfers have to be decided, and by whom: by eye."""

import pytest

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.objective import LATENCY
from stagecut.passes.partition.exact.arrays import table_arrays
from stagecut.passes.partition.exact.transfers import transfers_of
from tests.support.tables import cost_table

THREE = {"cpu": "host", "pim": "pim", "npu": "npu"}

#: A table, and of value a: what is implied, pairwise and shared, by memory; whether the set of
#: its holders is decided.
CASES = {
    "a value that nobody reads": (cost_table("a: cpu 1, pim 1"), "", "", "", False),
    "an end is implied": (cost_table("a: cpu 1, pim 1", outputs="a@pim"), "pim", "", "", False),
    "so is a reader that runs nowhere else": (
        cost_table("a: cpu 1, pim 1\n b(a): pim 1"),
        "pim",
        "",
        "",
        False,
    ),
    "one reader decides with the producer": (
        cost_table("a: cpu 1, pim 1\n b(a): cpu 1, pim 1"),
        "",
        "host pim",
        "",
        False,
    ),
    "several decide together": (
        cost_table("a: pim 1\n b(a): cpu 1, pim 1\n c(a): cpu 1, pim 1"),
        "",
        "",
        "host",
        False,
    ),
    "several decide about several memories": (
        cost_table("a: cpu 1, pim 1\n b(a): cpu 1, pim 1\n c(a): cpu 1, pim 1"),
        "",
        "",
        "",
        True,
    ),
    "a producer that runs nowhere else needs no transfer there": (
        cost_table("a: pim 1\n b(a): cpu 1, pim 1"),
        "",
        "host",
        "",
        False,
    ),
    "an end leaves the reader nothing to decide": (
        cost_table("a: cpu 1, pim 1\n b(a): cpu 1, pim 1", outputs="a@pim"),
        "pim",
        "host",
        "",
        False,
    ),
    "what may go by way of another memory": (
        cost_table(
            "a: cpu 1\n b(a): pim 1\n c(a): npu 1",
            devices=THREE,
            transfer_us={"host>pim": 1, "pim>npu": 1},
        ),
        "",
        "",
        "",
        True,
    ),
    "but not if nobody is there": (
        cost_table(
            "a: cpu 1\n b(a): pim 1",
            devices=THREE,
            transfer_us={"host>pim": 1, "pim>npu": 1},
        ),
        "pim",
        "",
        "",
        False,
    ),
}


@pytest.mark.parametrize(
    ("table", "implied", "pairwise", "shared", "held"), CASES.values(), ids=CASES.keys()
)
def test_who_decides(
    table: CostTable, implied: str, pairwise: str, shared: str, held: bool
) -> None:
    memories = [memory.name for memory in table.machine.memories]
    found = transfers_of(table_arrays(table, LATENCY))
    of_a = found.reads[0] == 0
    flags = {
        "implied": found.implied[0],
        "pairwise": found.pairwise[of_a].any(axis=0),
        "shared": found.shared[of_a].any(axis=0),
    }
    names = {
        kind: " ".join(name for name, flag in zip(memories, each.tolist(), strict=True) if flag)
        for kind, each in flags.items()
    }
    assert names == {"implied": implied, "pairwise": pairwise, "shared": shared}
    assert (0 in found.held) == held
    assert found.variable.T.tolist() == [[0, memories.index(name)] for name in shared.split()]
