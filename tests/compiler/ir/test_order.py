"""A stable topological order."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler.ir.order import cycle_among, stable_order


def test_what_is_in_order_keeps_its_order() -> None:
    assert stable_order([set(), {0}, set(), {1, 2}]) == (0, 1, 2, 3)


def test_the_least_index_that_may_come_next_does() -> None:
    assert stable_order([set(), {2}, set(), {0}]) == (0, 2, 1, 3)


def test_a_cycle_and_what_waits_for_it_are_left_out() -> None:
    before = [set(), {3}, {1}, {2}, {3}]
    assert stable_order(before) == (0,)
    assert cycle_among(before, {1, 2, 3, 4}) == (1, 2, 3, 1)


def test_one_that_waits_for_itself() -> None:
    assert cycle_among([{0}], {0}) == (0, 0)


@given(st.lists(st.sets(st.integers(0, 7)), max_size=8))
def test_all_come_after_those_before_them_or_there_is_a_cycle(before: list[set[int]]) -> None:
    before = [{other for other in earlier if other < len(before)} for earlier in before]
    order = stable_order(before)
    place = {index: at for at, index in enumerate(order)}
    assert all(place[other] < place[index] for index in order for other in before[index])
    stuck = set(range(len(before))) - set(order)
    if stuck:
        cycle = cycle_among(before, stuck)
        assert cycle[0] == cycle[-1]
        assert all(one in before[two] for one, two in pairwise(cycle))
