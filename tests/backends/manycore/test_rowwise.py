"""Rows over all clusters: the closed form against events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.backends.manycore import rowwise
from stagecut.backends.manycore.pipeline import Step, Tile
from stagecut.backends.manycore.product import stored
from stagecut.backends.manycore.rowwise import Rowwise, dealt, fits
from tests.support.manycore import chip
from tests.support.manycore_replay import Cluster


@given(
    st.integers(1, 3000),
    st.integers(1, 2400),
    st.integers(1, 2),
    st.integers(1, 16),
    st.sampled_from(["off", "on"]),
)
def test_the_busiest_cluster_takes_as_long_as_its_events(
    rows: int, columns: int, operands: int, clusters: int, double: str
) -> None:
    one = chip(double_buffer=double, clusters=str(clusters), ports="1")
    work = Rowwise(rows, columns, operands)
    if not rowwise._room(one, work):
        return
    found = rowwise._dealt(one, work, lambda at_once: 50.0 * at_once)
    mine, tiles = -(-rows // found.clusters), []
    while mine:
        at_once = min(mine, found.at_once)
        tiles.append(_tile(one, work, at_once, found.clusters))
        mine -= at_once
    events = Cluster(double == "on", one.streams.barrier, one.dma.dma_disturbs).run(tiles)
    assert found.cycles == pytest.approx(events)
    assert found.dma_bytes == 8 * rows * columns * (operands + 1)


def _tile(one: object, work: Rowwise, rows: int, clusters: int) -> Tile:
    whole = rowwise._tile(one, work, rows, 1, clusters, lambda n: 50.0 * n)  # type: ignore[arg-type]
    return Tile(1, Step(whole.first.load, 50.0 * rows), whole.store)


def test_cores_have_the_same_number_of_rows_where_not_all_have_room() -> None:
    one = chip()
    rows = [dealt(one, Rowwise(n, 512), lambda at_once: 1.0 * at_once) for n in (16, 16 * 300)]
    assert [found.at_once for found in rows] == [1, 8]


@pytest.mark.parametrize("columns", [16, 700, 4096])
def test_double_buffering_is_left_out_where_it_is_slower_or_has_no_room(columns: int) -> None:
    """A row of 4,096 doubles has no room twice."""
    work = Rowwise(300, columns)
    single, double = (
        dealt(chip(double_buffer=lever), work, lambda at_once: 50.0 * at_once).cycles
        for lever in ("off", "on")
    )
    assert double == single if columns == 4096 else double <= single


def test_a_row_too_long_has_no_room() -> None:
    one = chip()
    assert fits(one, Rowwise(1, one.geometry.usable_bytes // 16))
    assert not fits(one, Rowwise(1, one.geometry.usable_bytes // 16 + 1))
    assert stored(one, 64, 1, 1).beats == 1
