"""Segments alone, waiting, and made coarser."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecut.compiler.ir.fluid import Pool, Segment, Traffic, coarse

CASES = {
    "one after the other": (Segment(1, 2, (Traffic(0, 8, 3),)), (1.0,), 1 + 2 + 3),
    "traffic behind computing": (Segment(1, 4, (Traffic(0, 8, 3),), overlap=1), (1.0,), 1 + 4),
    "computing behind traffic": (Segment(1, 2, (Traffic(0, 8, 3),), overlap=1), (1.0,), 1 + 3),
    "half of the shorter is hidden": (Segment(0, 2, (Traffic(0, 8, 3),), overlap=0.5), (1.0,), 4),
    "waiting twice as long": (Segment(1, 2, (Traffic(0, 8, 3),)), (2.0,), 1 + 2 + 6),
    "two pools": (Segment(0, 0, (Traffic(0, 8, 3), Traffic(1, 8, 5))), (2.0, 1.0), 6 + 5),
    "nothing": (Segment(), (1.0,), 0),
}


@pytest.mark.parametrize(("segment", "waits", "took_s"), CASES.values(), ids=CASES.keys())
def test_a_segment_takes(segment: Segment, waits: tuple[float, ...], took_s: float) -> None:
    assert segment.took_s(waits) == pytest.approx(took_s)
    assert segment.alone_s == pytest.approx(segment.took_s((1.0,) * 9))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Pool("", 0),
        lambda: Traffic(0, -1, 1),
        lambda: Traffic(0, 1, 0),
        lambda: Traffic(-1, 1, 1),
        lambda: Segment(-1),
        lambda: Segment(overlap=1.5),
    ],
)
def test_what_cannot_be_is_a_bug(wrong: object) -> None:
    with pytest.raises(AssertionError):
        wrong()  # type: ignore[operator]


_SEGMENTS = st.lists(
    st.builds(
        Segment,
        st.integers(0, 3).map(float),
        st.integers(0, 5).map(float),
        st.lists(st.builds(Traffic, st.integers(0, 1), st.integers(1, 9), st.integers(1, 5)))
        .map(lambda many: many[:2])
        .map(tuple),
        st.just(0.75),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=50)
@given(_SEGMENTS, st.integers(1, 5))
def test_fewer_segments_take_as_long_and_move_as_much(
    segments: list[Segment], windows: int
) -> None:
    found = coarse(segments, windows)
    assert len(found) <= 2 * windows
    assert sum(each.alone_s for each in found) == pytest.approx(
        sum(each.alone_s for each in segments)
    )
    for pool in (0, 1):
        before, after = (
            sum(
                each.size_bytes for segment in some for each in segment.traffic if each.pool == pool
            )
            for some in (segments, found)
        )
        assert after == pytest.approx(before)


def test_segments_of_a_window_are_told_apart_by_what_takes_longer() -> None:
    computes, moves = Segment(0, 2, (Traffic(0, 8, 1),)), Segment(0, 1, (Traffic(0, 8, 2),))
    one, other = coarse([computes, moves, computes, moves], 1)
    assert (one.compute_s, other.compute_s) == (4, 2)
    assert one.traffic == (Traffic(0, 16, 2),)
