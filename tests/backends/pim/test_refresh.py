"""The number of refreshes that a run meets, against counting them one by one."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from stagecut.backends.pim.hbm import refresh
from stagecut.backends.pim.hbm.intervals import Intervals
from tests.support.hbm import GEOMETRY, TIMING

cycles = st.integers(0, 10**6)


@given(cycles, cycles, st.integers(0, 500), st.integers(600, 10_000), st.integers(1, 4))
def test_refreshes_are_counted(start: int, run: int, stall: int, trefi: int, ranks: int) -> None:
    intervals = Intervals(replace(TIMING, trefi=trefi), replace(GEOMETRY, ranks=ranks))
    end, met = start + run, 0
    instant = trefi // ranks
    while instant < end:
        if instant >= start:
            end, met = end + stall, met + 1
        instant += trefi
    assert refresh.met(intervals, run, stall, start=start) == met


@given(cycles, cycles)
def test_without_refresh_none_is_met(start: int, run: int) -> None:
    intervals = Intervals(replace(TIMING, refresh=False), GEOMETRY)
    assert refresh.met(intervals, run, 361, start=start) == 0
