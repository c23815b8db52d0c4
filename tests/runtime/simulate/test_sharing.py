"""Segments that share bandwidth: closed forms, and what must hold of any."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecut.compiler.ir.fluid import Pool, Segment, Traffic
from stagecut.runtime.simulate.sharing import Sharing


def _settled(pools: list[Pool], segments: list[Segment]) -> tuple[list[float], Sharing]:
    sharing = Sharing(pools, len(segments))
    for slot, segment in enumerate(segments):
        sharing.begin(slot, segment)
    return sharing.settle().tolist(), sharing


def test_the_example_in_the_docstring() -> None:
    """Of stagecut.compiler.ir.fluid."""
    segment = Segment(0.0, 1e-3, (Traffic(0, 1e6, 1e-3),))
    pool = [Pool("dram", 1e9)]
    assert _settled(pool, [segment] * 2)[0] == pytest.approx([2e-3] * 2)
    took_s, sharing = _settled(pool, [segment] * 3)
    assert took_s == pytest.approx([3e-3] * 3)
    assert sharing.waits.tolist() == pytest.approx([2.0])


def test_who_computes_waits_for_nobody() -> None:
    reads = Segment(0.0, 0.0, (Traffic(0, 1e9, 1.0),))
    computes = Segment(fixed_s=0.5, compute_s=2.0)
    took_s, sharing = _settled([Pool("dram", 1e9)], [reads, reads, computes])
    assert took_s == pytest.approx([2.0, 2.0, 2.5])
    sharing.end(0)
    assert sharing.settle().tolist() == pytest.approx([0.0, 1.0, 2.5])


def test_what_overlaps_hides_the_wait() -> None:
    hidden = Segment(0.0, 3.0, (Traffic(0, 1e9, 1.0),), overlap=1.0)
    took_s, _ = _settled([Pool("dram", 1e9)], [hidden] * 3)
    assert took_s == pytest.approx([3.0] * 3)
    took_s, _ = _settled([Pool("dram", 1e9)], [hidden] * 6)
    assert took_s == pytest.approx([6.0] * 6)


_SEGMENTS = st.builds(
    Segment,
    st.integers(0, 2).map(float),
    st.integers(0, 5).map(float),
    st.lists(
        st.builds(Traffic, st.integers(0, 2), st.integers(1, 40), st.integers(1, 9).map(float)),
        min_size=1,
        max_size=3,
    ).map(tuple),
    st.sampled_from([0.0, 0.5, 1.0]),
)


@settings(max_examples=50)
@given(
    st.lists(_SEGMENTS, min_size=1, max_size=6),
    st.lists(st.integers(1, 30).map(float), min_size=3, max_size=3),
)
def test_no_pool_gives_more_than_it_has_and_nobody_waits_for_one_that_could_give_more(
    segments: list[Segment], capacities: list[float]
) -> None:
    pools = [Pool(str(index), each) for index, each in enumerate(capacities)]
    took_s, sharing = _settled(pools, segments)
    assert took_s == pytest.approx([segment.took_s(sharing.waits.tolist()) for segment in segments])
    for index, pool in enumerate(pools):
        taken = sum(
            each.size_bytes / time_s
            for segment, time_s in zip(segments, took_s, strict=True)
            for each in segment.traffic
            if each.pool == index
        )
        assert taken <= pool.bytes_per_s * (1 + 1e-6)
        if sharing.waits[index] > 1 + 1e-6:
            assert taken >= pool.bytes_per_s * (1 - 1e-3) or any(
                segment.overlap == 1 for segment in segments
            )
