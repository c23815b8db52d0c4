"""What crosses into and out of stages, against who reads and writes it, value by value."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler.ir.machine import Device
from stagecut.passes.partition.exact.factor_graph import Ints
from stagecut.passes.partition.orders.precedence import Precedence
from stagecut.passes.partition.throughput.crossing import Open
from stagecut.passes.partition.throughput.lattice import Lattice, members
from stagecut.passes.partition.throughput.model import Calls, StreamCosts
from tests.support.streams import stream_table


@st.composite
def graphs(draw: st.DrawFn) -> str:
    """Up to seven nodes, each of which reads some before it."""
    lines = []
    for at in range(draw(st.integers(1, 7))):
        reads = draw(st.sets(st.integers(0, at - 1))) if at else set()
        inputs = f"({', '.join(f'n{each}' for each in sorted(reads))})" if reads else ""
        lines.append(f"n{at}{inputs}: cpu 1, pim 1")
    return "\n".join(lines)


@given(graphs(), st.integers(0, 99))
def test_sums_are_those_of_what_is_read_from_outside_and_written_for_it(
    graph: str, seed: int
) -> None:
    table = stream_table(graph, Device("cpu", "host"), Device("pim", "pim"))
    costs = StreamCosts.of(table)
    lattice = Lattice.of(Precedence.of(table))
    calls = Calls(costs, lattice)
    values = Open(lattice, calls._readers, calls._written, costs.wanted)
    rng = np.random.default_rng(seed)
    bring, take = rng.integers(0, 1 << 46, (2, len(costs.writer), 2))
    sums = values.sums(bring, take)
    for end in range(1, len(lattice.ideals)):
        found = sums.to(end)
        assert len(found) == len(lattice.below[end])
        for row, start in enumerate(lattice.below[end].tolist()):
            expected = _obvious(costs, lattice, start, end, bring, take)
            assert found[row].tolist() == expected


def _obvious(
    costs: StreamCosts, lattice: Lattice, start: int, end: int, bring: Ints, take: Ints
) -> list[int]:
    before, behind = ({*members(lattice.ideals[at])} for at in (start, end))
    inside = behind - before
    total = np.zeros(2, np.int64)
    for value, writer in enumerate(costs.writer.tolist()):
        readers = {*np.flatnonzero(costs.reads[value]).tolist()}
        if readers & inside and (writer == costs.nodes or writer in before):
            total += bring[value]
        if writer in inside and (costs.wanted[value] or readers - behind):
            total += take[value]
    return [int(each) for each in total]
