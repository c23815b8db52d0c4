"""Cuts against every cut."""

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecut.backends.server.calls import ServerCalls
from stagecut.backends.server.cut import cut
from stagecut.backends.server.placement import Placement
from stagecut.backends.server.work import Work
from tests.support.servers import FREE, SERVER, work


def _slowest_s(stages: Sequence[Sequence[Work]]) -> float:
    def takes_s(stage: Sequence[Work]) -> float:
        placement = Placement("", (tuple(stage),), (((0, 1),),), "own node")
        return sum(each.alone_s for each in ServerCalls(SERVER, FREE, placement).segments(0, 0, 1))

    return max(map(takes_s, stages))


def _every_cut(works: Sequence[Work], most: int) -> Iterator[list[Sequence[Work]]]:
    for count in range(most):
        for ends in combinations(range(1, len(works)), count):
            yield [works[at:end] for at, end in pairwise([0, *ends, len(works)])]


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 5)), min_size=1, max_size=6),
    st.integers(1, 4),
)
def test_no_other_cut_is_faster(sizes: list[tuple[int, int]], count: int) -> None:
    """With weights that stay in the last cache, wherever the cut is."""
    works = [
        work(str(index), flops=100 * flops, weights=200 * weights)
        for index, (flops, weights) in enumerate(sizes)
    ]
    found = cut(SERVER, FREE, works, count, (0, 1))
    assert [each for stage in found for each in stage] == works
    assert len(found) <= count
    best_s = min(_slowest_s(each) for each in _every_cut(works, count))
    assert _slowest_s(found) <= best_s * 1.01


def test_the_picture_in_the_docstring() -> None:
    sizes = zip("abcdef", (3, 2, 2, 2, 1, 5), strict=True)
    works = [work(name, flops=100 * size) for name, size in sizes]
    stages = cut(SERVER, FREE, works, 3, (0,))
    assert ["".join(each.name for each in stage) for stage in stages] == ["ab", "cde", "f"]


def test_one_node_cannot_be_cut() -> None:
    assert len(cut(SERVER, FREE, [work(flops=100)], 5, (0, 1))) == 1


@pytest.mark.parametrize("count", [1, 2])
def test_as_many_as_asked_at_the_most(count: int) -> None:
    works = [work(name, flops=100) for name in "abcd"]
    assert len(cut(SERVER, FREE, works, count, (0, 1))) == count
