"""One of the schedules that differ in the names of memories only is left, and the cheapest is."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecut.compiler.ir.costs import ENERGY, Budget, CostTable, ValueCosts
from stagecut.compiler.ir.machine import Route
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


@settings(max_examples=60)
@given(st.data())
def test_the_cheapest_is_kept(data: st.DataObject) -> None:
    costs = st.integers(0, 9)
    lines, able = [], []
    for at in range(data.draw(st.integers(1, 4))):
        reads = [f"n{before}" for before in range(at) if data.draw(st.booleans())]
        acc = data.draw(costs)
        times = {f"acc.{of}": acc for of in range(3)}
        times |= {"cpu": data.draw(costs)} if data.draw(st.booleans()) else {}
        each = ", ".join(f"{name} {cost}" for name, cost in times.items())
        lines.append(f"n{at}({', '.join(reads)}): {each}")
        able.append([*times])
    room = data.draw(st.integers(1, 4))
    table = star("\n".join(lines), room, room, room, transfer_us=data.draw(st.integers(0, 3)))
    placed = [data.draw(st.sampled_from(names)) for names in able]
    left = break_symmetry(table, interchangeable(table), placed)
    assert cheapest_of_all(left) == cheapest_of_all(table)
