"""Measured times, and what of them is computing."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecut.backends.server.calibrate import calibrated
from stagecut.backends.server.calls import ServerCalls
from stagecut.backends.server.placement import Placement
from tests.support.servers import KERNELS, SERVER, work


@settings(max_examples=50)
@given(
    st.lists(st.integers(2000, 90_000), min_size=1, max_size=4),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.floats(1, 3),
)
def test_a_calibrated_model_takes_what_was_measured(
    weights: list[int], overlap: float, slack: float
) -> None:
    works = [work(str(at), weights=size) for at, size in enumerate(weights)]
    kernels = replace(KERNELS, overlap=overlap)
    placement = Placement("", (tuple(works),), (((0,),),), "own node")
    bare = ServerCalls(SERVER, kernels, placement).segments(0, 0, 1)
    measured_s = {
        each.name: slack * 2 * segment.alone_s for each, segment in zip(works, bare, strict=True)
    }
    whole_s = sum(measured_s.values())
    found = calibrated(SERVER, kernels, works, measured_s, whole_s)
    again = ServerCalls(SERVER, kernels, replace(placement, stages=(found,)))
    assert sum(segment.alone_s for segment in again.segments(0, 0, 1)) == pytest.approx(whole_s)


def test_all_are_stretched_to_what_the_whole_took() -> None:
    works = [work("a"), work("b")]
    found = calibrated(SERVER, KERNELS, works, {"a": 1.0, "b": 3.0}, 8.0)
    assert [each.compute_s for each in found] == [2.0 - 0.5, 6.0 - 0.5]


def test_what_was_quicker_than_its_traffic_computes_nothing() -> None:
    [found] = calibrated(SERVER, KERNELS, [work("a", weights=90_000)], {"a": 1.0}, 1.0)
    assert found.compute_s == 0
