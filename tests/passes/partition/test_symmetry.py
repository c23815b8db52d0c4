"""One of the schedules that differ in the names of memories only is left, and the cheapest is."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecut.compiler.ir.costs import ENERGY, Budget, CostTable, ValueCosts
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.machine import Device, Memory, Route
from stagecut.passes.partition.partition import Partition
from stagecut.passes.partition.symmetry import break_symmetry, interchangeable
from tests.support.stars import CHAIN, star
from tests.support.tables import US, cheapest_of_all

THREE = """
a   : cpu 9, acc.0 1, acc.1 1, acc.2 1
b(a): acc.0 1, acc.1 1, acc.2 1
c(b): acc.0 1, acc.1 1, acc.2 1
"""


def _able(table: CostTable) -> list[str]:
    return [" ".join(node.run_s) for node in table.nodes]


def test_the_same_room_makes_interchangeable_what_is_alike() -> None:
    assert interchangeable(star(THREE, 2, 2, 2)) == (("m0", "m1", "m2"),)
    assert interchangeable(star(THREE, 2, 3, 2)) == (("m0", "m2"),)
    assert interchangeable(star(THREE, 2, 3, 4)) == ()


def _between(table: CostTable, *ways: str) -> CostTable:
    """With a link for the first value along each of `ways`, at 1 us."""
    first, *others = table.values
    own = {**first.transfer_s, **{Route.parse(way): US for way in ways}}
    return replace(table, values=(ValueCosts(first.name, first.size_bytes, own), *others))


def test_what_lies_between_them_is_the_same_for_any_two() -> None:
    table = star(CHAIN, 2, 2)
    assert interchangeable(_between(table, "m0>m1")) == ()
    assert interchangeable(_between(table, "m0>m1", "m1>m0")) == (("m0", "m1"),)


def test_so_is_what_lies_between_them_and_others_that_are_alike() -> None:
    """The room of m1 is its own, and what m0 hands to it takes m0's own time."""
    table = star(THREE, 2, 3, 2)
    assert interchangeable(_between(table, "m0>m1")) == ()
    assert interchangeable(_between(table, "m0>m1", "m2>m1")) == (("m0", "m2"),)


def test_memories_on_the_way_to_another_are_not_interchangeable() -> None:
    """Of two ways as good as each other a value takes the one by the earlier memory."""
    assert interchangeable(_behind(star(CHAIN, 2, 2), from_host=False)) == ()
    assert interchangeable(_behind(star(CHAIN, 2, 2), from_host=True)) == (("m0", "m1"),)


def _behind(table: CostTable, *, from_host: bool) -> CostTable:
    """With a memory that the accelerators reach, and the host if `from_host`; a device there runs
    what the CPU does, in half the time."""
    machine = table.machine
    machine = replace(
        machine,
        memories=(*machine.memories, Memory("x")),
        devices=(*machine.devices, Device("far", "x")),
    )
    sources = [each.name for each in table.machine.memories if from_host or each.name != "host"]
    ways = {Route(name, "x"): US for name in sources} | {Route("x", name): US for name in sources}
    values = [replace(each, transfer_s={**each.transfer_s, **ways}) for each in table.values]
    nodes = [
        replace(each, run_s={**each.run_s, "far": each.run_s["cpu"] / 2})
        if "cpu" in each.run_s
        else each
        for each in table.nodes
    ]
    return replace(table, machine=machine, values=tuple(values), nodes=tuple(nodes))


def test_nothing_is_interchangeable_where_joules_are_limited() -> None:
    table = star(CHAIN, 2, 2)
    nodes = tuple(replace(node, run_j=dict.fromkeys(node.run_s, 1.0)) for node in table.nodes)
    values = tuple(replace(each, transfer_j=dict(each.transfer_s)) for each in table.values)
    limited = replace(table, nodes=nodes, values=values, budgets=(Budget(ENERGY, 3.0),))
    assert interchangeable(limited) == ()


@pytest.mark.parametrize(
    ("placed", "able"),
    {
        "as many as there are, but for one": (
            ["acc.2", "acc.1", "acc.0"],
            ["cpu acc.0 acc.1 acc.2", "acc.1", "acc.0 acc.1"],
        ),
        "each is where it was": (
            ["cpu", "acc.2", "acc.2"],
            ["cpu acc.0 acc.1 acc.2", "acc.2", "acc.0 acc.1 acc.2"],
        ),
        "one that may run elsewhere comes last": (
            ["acc.0", "cpu", "cpu"],
            ["cpu acc.0", "acc.0 acc.1 acc.2", "acc.0 acc.1 acc.2"],
        ),
    }.values(),
)
def test_anchors_keep_to_the_first_memories(placed: list[str], able: list[str]) -> None:
    table = star(THREE, 2, 2, 2)
    assert _able(break_symmetry(table, interchangeable(table), placed)) == able


def test_the_heaviest_is_the_first_anchor() -> None:
    table = star(THREE, 9, 9, 9)
    a, b, c = table.nodes
    table = replace(table, nodes=(a, b, replace(c, weight_bytes=5)))
    left = break_symmetry(table, interchangeable(table), ["acc.0", "acc.0", "acc.1"])
    assert _able(left)[2] == "acc.1"


@st.composite
def _tables(draw: st.DrawFn) -> CostTable:
    """Up to four nodes on three accelerators with the same room, and some of them on a CPU."""
    costs = st.integers(0, 9)
    lines = []
    for at in range(draw(st.integers(1, 4))):
        reads = [f"n{before}" for before in range(at) if draw(st.booleans())]
        acc = draw(costs)
        times = {f"acc.{of}": acc for of in range(3)}
        times |= {"cpu": draw(costs)} if draw(st.booleans()) else {}
        each = ", ".join(f"{name} {cost}" for name, cost in times.items())
        lines.append(f"n{at}({', '.join(reads)}): {each}")
    room = draw(st.integers(1, 4))
    return star("\n".join(lines), room, room, room, transfer_us=draw(st.integers(0, 3)))


@settings(max_examples=60)
@given(_tables(), st.data())
def test_the_cheapest_is_kept(table: CostTable, data: st.DataObject) -> None:
    placed = [data.draw(st.sampled_from([*node.run_s])) for node in table.nodes]
    left = break_symmetry(table, interchangeable(table), placed)
    assert cheapest_of_all(left) == cheapest_of_all(table)


@settings(max_examples=30)
@given(_tables())
def test_no_assignment_to_three_with_little_room_is_cheaper(table: CostTable) -> None:
    _finds_the_cheapest(table)


@settings(max_examples=30)
@given(_tables(), st.booleans())
def test_nor_is_one_with_a_memory_behind_them(table: CostTable, from_host: bool) -> None:
    _finds_the_cheapest(_behind(table, from_host=from_host))


def _finds_the_cheapest(table: CostTable) -> None:
    least = cheapest_of_all(table)
    if least is None:
        with pytest.raises(UnplaceableError):
            Partition()(table)
        return
    found = Partition()(table).certificate
    assert found.exact
    assert found.total == pytest.approx(least, abs=1e-3 * US)
