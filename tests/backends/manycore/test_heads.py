"""Attention over all clusters."""

import pytest

from stagecut.backends.manycore.heads import heads
from stagecut.backends.manycore.kernels.attention import Head, Tile, attention
from tests.support.manycore import chip


def test_a_head_on_a_cluster_round_after_round() -> None:
    one, head = chip("fp32"), Head(64, 64, 64)
    costs = [heads(one, head, count) for count in (12, 16, 17, 32)]
    assert [cost.clusters for cost in costs if cost] == [12, 16, 16, 16]
    assert [cost.cycles for cost in costs if cost] == [
        attention(one, head, Tile(16, 64), 12),
        attention(one, head, Tile(16, 64), 16),
        2 * attention(one, head, Tile(16, 64), 16),
        2 * attention(one, head, Tile(16, 64), 16),
    ]


@pytest.mark.parametrize(
    ("precision", "d", "tile"),
    [
        ("fp8", 64, (16, 64)),
        ("fp32", 64, (16, 64)),
        ("fp32", 256, (16, 16)),
        ("fp64", 64, (16, 32)),
    ],
)
def test_columns_are_halved_until_they_fit(precision: str, d: int, tile: tuple[int, int]) -> None:
    found = heads(chip(precision), Head(128, 128, d), 1)
    assert found is not None
    assert (found.tile.rows, found.tile.columns) == tile
    assert found.tile.size_bytes(chip(precision), d) <= chip().geometry.usable_bytes


@pytest.mark.parametrize("d", [64, 256, 410])
def test_double_buffering_is_left_out_where_it_is_slower_or_has_no_room(d: int) -> None:
    """Of 410 doubles, not even a single key has room twice."""
    single, double = (
        heads(chip(double_buffer=lever), Head(32, 64, d), 1) for lever in ("off", "on")
    )
    assert single is not None
    assert double is not None
    assert double.cycles <= single.cycles


def test_there_is_none_where_nothing_fits() -> None:
    assert heads(chip(), Head(128, 128, 5000), 1) is None


def test_found_tiles_are_no_slower() -> None:
    for precision in ("fp8",):
        given, found = (
            heads(chip(precision, find_tiles=lever), Head(48, 64, 32), 4) for lever in ("off", "on")
        )
        assert given is not None
        assert found is not None
        assert found.cycles <= given.cycles


def test_bytes_are_those_of_every_tile() -> None:
    """Q and O once; K and V for each of four tiles of rows."""
    found = heads(chip("fp8"), Head(64, 32, 64), 3)
    assert found is not None
    assert found.dma_bytes == 3 * (2 * 64 * 64 + 4 * 2 * 32 * 64)
