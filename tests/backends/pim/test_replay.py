"""The closed form of HBM-PIM's kernels is the replay of their commands, for any parameters."""

from dataclasses import replace

from hypothesis import given, reject
from hypothesis import strategies as st

from stagecut.backends.pim.hbm import kernels
from stagecut.backends.pim.hbm.intervals import Intervals
from stagecut.compiler.errors import DeviceError
from tests.support import hbm_replay
from tests.support.hbm import GEOMETRY, TIMING

_CYCLES = {
    "rl": st.integers(4, 40),
    "wl": st.integers(1, 20),
    "bl": st.sampled_from([2, 4, 8]),
    "tccds": st.integers(1, 4),
    "tccdl": st.integers(1, 8),
    "trrds": st.integers(1, 8),
    "trcdrd": st.integers(4, 40),
    "trcdwr": st.integers(4, 40),
    "tras": st.integers(10, 80),
    "trc": st.integers(20, 110),
    "trp": st.integers(4, 40),
    "trtpl": st.integers(0, 10),
    "twr": st.integers(1, 40),
    "twtrl": st.integers(0, 20),
    "trtrs": st.integers(0, 3),
}


@st.composite
def intervals(draw: st.DrawFn) -> Intervals:
    """Any timing that the model covers."""
    cycles = {name: draw(strategy) for name, strategy in _CYCLES.items()}
    row_bytes = draw(st.sampled_from([512, 1024, 2048]))
    try:
        timing = replace(TIMING, refresh=False, **cycles)
        return Intervals(timing, replace(GEOMETRY, row_bytes=row_bytes))
    except DeviceError:
        reject()


@given(intervals(), st.integers(1, 4), st.integers(1, 5))
def test_products(found: Intervals, steps: int, tiles: int) -> None:
    kernel = kernels.product(found, steps=steps, tiles=tiles)
    replayed = hbm_replay.product(found, steps=steps, tiles=tiles)
    assert (kernel.cycles, kernel.reads, kernel.writes) == replayed


@given(intervals(), st.integers(1, 5))
def test_two_operands(found: Intervals, passes: int) -> None:
    kernel = kernels.add(found, passes)
    replayed = hbm_replay.elementwise(found, operands=2, passes=passes)
    assert (kernel.cycles, kernel.reads, kernel.writes) == replayed


@given(intervals(), st.integers(1, 5))
def test_one_operand(found: Intervals, passes: int) -> None:
    kernel = kernels.relu(found, passes)
    replayed = hbm_replay.elementwise(found, operands=1, passes=passes)
    assert (kernel.cycles, kernel.reads, kernel.writes) == replayed
