"""The published dynamic programming: exact on chains, and only there."""

from dataclasses import replace
from itertools import pairwise

import pytest

from stagecut.compiler.ir.costs import CostTable, ValueCosts
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.machine import Memory
from stagecut.passes.partition.baselines.chain import Chain
from stagecut.passes.partition.partition import Partition
from tests.support.tables import US, cost_table, seeded_table


def test_chain_is_exact_on_chains() -> None:
    for seed in range(300):
        table = _chained(seeded_table(seed))
        try:
            least = Partition()(table).total_s
        except UnplaceableError:
            with pytest.raises(UnplaceableError):
                Chain()(table)
            continue
        assert Chain()(table).total_s == pytest.approx(least, abs=1e-12)


def _chained(table: CostTable) -> CostTable:
    """The same nodes, each reading what the one before it wrote; any weights fit."""
    names = [f"c{index}" for index in range(len(table.nodes) + 1)]
    sample = table.values[0] if table.values else ValueCosts("free", 0)
    memories = tuple(Memory(memory.name) for memory in table.machine.memories)
    return replace(
        table,
        machine=replace(table.machine, memories=memories),
        values=tuple(replace(sample, name=name) for name in names),
        nodes=tuple(
            replace(node, inputs=(read,), outputs=(written,))
            for node, (read, written) in zip(table.nodes, pairwise(names), strict=True)
        ),
        inputs=tuple(replace(end, name=names[0]) for end in table.inputs[:1]),
        outputs=tuple(replace(end, name=names[-1]) for end in table.outputs[:1]),
    )


def test_chain_charges_one_value_where_two_come_back() -> None:
    table = cost_table(
        "a: cpu 1\n b(a): cpu 4, pim 1\n c(a): cpu 4, pim 1\n d(b, c): cpu 1", transfer_us=2.5
    )
    assert Chain()(table).total_s == pytest.approx(11.5 * US)
    assert Partition()(table).total_s == pytest.approx(10 * US)


def test_chain_may_run_into_a_dead_end() -> None:
    with pytest.raises(UnplaceableError) as error:
        Chain()(cost_table("a: cpu 1\n b(a): pim 1", transfer_us={}))
    assert error.value.where == "node b (Op)"
