"""The closed form of HBM-PIM's kernels is the replay of their commands, for any parameters."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from stagecut.backends.pim.hbm import kernels, refresh
from stagecut.backends.pim.hbm.intervals import Intervals
from stagecut.backends.pim.hbm.kernels import Kernel
from stagecut.backends.pim.hbm.products import product
from stagecut.backends.pim.hbm.tree import tree_product
from stagecut.compiler.ir.errors import DeviceError
from tests.support import hbm_replay
from tests.support.hbm import GEOMETRY, TIMING

_CYCLES = {
    "wl": st.integers(1, 20),
    "bl": st.sampled_from([2, 4, 8]),
    "tccds": st.integers(1, 4),
    "trrds": st.integers(1, 8),
    "trcdrd": st.integers(4, 40),
    "trcdwr": st.integers(4, 40),
    "trp": st.integers(4, 40),
    "trtpl": st.integers(0, 10),
    "twr": st.integers(1, 40),
    "twtrl": st.integers(0, 20),
    "trtrs": st.integers(0, 3),
}


@st.composite
def intervals(draw: st.DrawFn) -> Intervals:
    """Any timing that the model covers; those that no DRAM has are not even drawn."""
    cycles = {name: draw(strategy) for name, strategy in _CYCLES.items()}
    cycles["rl"] = cycles["wl"] + draw(st.integers(0, 20))
    cycles["tccdl"] = cycles["tccds"] + draw(st.integers(0, 4))
    cycles["tras"] = max(cycles["trcdrd"], cycles["trcdwr"]) + draw(st.integers(0, 40))
    cycles["trc"] = cycles["tras"] + draw(st.integers(0, 40))
    row_bytes = draw(st.sampled_from([512, 1024, 2048]))
    timing = replace(TIMING, refresh=False, **cycles)
    try:
        return Intervals(timing, replace(GEOMETRY, row_bytes=row_bytes))
    except DeviceError:
        reject()


@given(intervals(), st.integers(1, 4), st.integers(1, 5))
def test_products(found: Intervals, steps: int, tiles: int) -> None:
    kernel = product(found, steps=steps, tiles=tiles)
    replayed = hbm_replay.product(found, steps=steps, tiles=tiles)
    assert (kernel.cycles, kernel.reads, kernel.writes) == replayed[:3]


@given(intervals(), st.integers(1, 9), st.integers(1, 9), st.integers(500, 5000), st.integers(1, 3))
def test_products_that_refreshes_hold_up(
    drawn: Intervals, steps: int, tiles: int, trefi: int, ranks: int
) -> None:
    found = _refreshed(drawn, trefi, ranks)
    kernel = product(found, steps=steps, tiles=tiles)
    replayed = hbm_replay.product(found, steps=steps, tiles=tiles)
    assert refresh.kernel_cycles(found, kernel) == replayed.cycles


@given(intervals(), st.integers(1, 40), st.integers(500, 5000), st.integers(1, 3))
def test_passes_that_refreshes_hold_up(
    drawn: Intervals, passes: int, trefi: int, ranks: int
) -> None:
    found = _refreshed(drawn, trefi, ranks)
    kernel = kernels.add(found, passes)
    replayed = hbm_replay.elementwise(found, reads=(1, 1), scalars=0, passes=passes)
    assert refresh.kernel_cycles(found, kernel) == replayed.cycles


def _refreshed(found: Intervals, trefi: int, ranks: int) -> Intervals:
    timing = replace(found.timing, refresh=True, trefi=trefi)
    return replace(found, timing=timing, geometry=replace(found.geometry, ranks=ranks))


@given(intervals(), st.integers(1, 4), st.integers(1, 5))
def test_products_reduced_in_a_tree(found: Intervals, steps: int, tiles: int) -> None:
    kernel = tree_product(found, steps=steps, tiles=tiles)
    replayed = hbm_replay.tree_product(found, steps=steps, tiles=tiles)
    assert (kernel.cycles, kernel.reads, kernel.writes) == replayed[:3]


@pytest.mark.parametrize(
    ("make", "reads", "scalars"),
    [
        (kernels.add, (1, 1), 0),
        (kernels.sub, (1, 1), 1),
        (kernels.relu, (1,), 0),
        (kernels.batchnorm, (2,), 1),
    ],
)
@given(found=intervals(), passes=st.integers(1, 5))
def test_elementwise_passes(
    make: Callable[[Intervals, int], Kernel],
    reads: tuple[int, ...],
    scalars: int,
    found: Intervals,
    passes: int,
) -> None:
    kernel = make(found, passes)
    replayed = hbm_replay.elementwise(found, reads=reads, scalars=scalars, passes=passes)
    assert (kernel.cycles, kernel.reads, kernel.writes) == replayed[:3]
