"""The front of time against error, beside all assignments there are."""

from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.compiler.ir.solution import Solution
from stagecut.passes.precision.error_front import error_front

#: A schedule as far as the front knows it: what it takes, and the sum of squared errors.
Point = tuple[float, float]


def _front(points: list[Point], most: int) -> list[Point]:
    def solve(limit: float | None) -> Solution:
        kept = [each for each in points if limit is None or each[1] <= limit]
        if not kept:
            raise UnplaceableError("none")
        return min(kept)  # type: ignore[return-value]  # stands for the fastest

    found = error_front(solve, lambda each: each[1], most)  # type: ignore[index]
    return list(found)  # type: ignore[arg-type]


@given(
    st.lists(st.tuples(st.integers(1, 50).map(float), st.integers(0, 50).map(float)), min_size=1),
    st.integers(1, 8),
)
def test_none_on_it_is_beaten_in_both(points: list[Point], most: int) -> None:
    found = _front(points, most)
    assert 1 <= len(found) <= most
    assert found[0] == min(points)
    for slower, faster in zip(found[1:], found, strict=False):
        assert slower[0] >= faster[0]
        assert slower[1] <= 0.25 * faster[1]
    for time, off in found:
        assert not any(other[0] < time and other[1] <= off for other in points)


def test_it_ends_where_nothing_is_off() -> None:
    assert _front([(1, 4.0), (2, 1.0), (3, 0.0), (9, 0.0)], 8) == [(1, 4.0), (2, 1.0), (3, 0.0)]


def test_it_ends_where_no_schedule_is_left() -> None:
    assert _front([(1, 4.0), (2, 3.9)], 8) == [(1, 4.0)]
