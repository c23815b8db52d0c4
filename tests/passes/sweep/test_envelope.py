"""The minimum of lines against the slow obvious answer, and how few minimisations it takes."""

from hypothesis import given
from hypothesis import strategies as st

from stagecut.passes.sweep.envelope import Line, envelope

#: Whole numbers, so that what is equal is equal.
LINES = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=12, unique=True
)


def _least(lines: list[tuple[int, int]], factor: float) -> Line[int]:
    """The first of the lines that are least."""
    found = [Line(float(fixed), float(scaled), i) for i, (fixed, scaled) in enumerate(lines)]
    return min(found, key=lambda line: line.at(factor))


def test_three_lines_make_two_breakpoints_in_five_minimisations() -> None:
    found = envelope(lambda at: _least([(0, 4), (3, 1), (6, 0)], at), 0.0, 10.0)
    assert [(p.low, p.high, p.line.answer) for p in found.pieces] == [
        (0.0, 1.0, 0),
        (1.0, 3.0, 1),
        (3.0, 10.0, 2),
    ]
    assert found.solves == 5


def test_a_line_that_is_least_everywhere_takes_two() -> None:
    found = envelope(lambda at: _least([(1, 1), (2, 2)], at), 0.5, 2.0)
    assert [(p.low, p.high) for p in found.pieces] == [(0.5, 2.0)]
    assert found.solves == 2


def test_a_single_factor_takes_one() -> None:
    assert envelope(lambda at: _least([(1, 1)], at), 1.0, 1.0).solves == 1


@given(LINES)
def test_nothing_lies_below_and_no_breakpoint_is_missed(lines: list[tuple[int, int]]) -> None:
    found = envelope(lambda at: _least(lines, at), 0.1, 20.0)
    assert found.pieces[0].low == 0.1
    assert found.pieces[-1].high == 20.0
    for before, after in zip(found.pieces, found.pieces[1:], strict=False):
        assert before.high == after.low
        assert before.line.scaled > after.line.scaled
    for piece in found.pieces:
        for share in (0.0, 0.3, 0.7, 1.0):
            factor = piece.low + share * (piece.high - piece.low)
            assert abs(piece.line.at(factor) - _least(lines, factor).at(factor)) < 1e-6
    assert found.solves <= 2 * len(found.pieces)
