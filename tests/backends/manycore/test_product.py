"""Products over all clusters: the closed form against every tile of every cluster, on events."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecut.backends.manycore import product
from stagecut.backends.manycore.chip import Chip
from stagecut.backends.manycore.pipeline import Step, Tile
from stagecut.backends.manycore.product import Product, stored, tiled
from tests.support.manycore import chip
from tests.support.manycore_replay import Cluster


def _every_tile(one: Chip, work: Product, clusters: int) -> list[list[Tile]]:
    """The tiles of each cluster: all of C cut up, longest first, dealt out in turn."""
    size = product._tiled(one, work).tile
    cut = [
        (min(size.m, work.m - row), min(size.n, work.n - column))
        for _ in range(work.count)
        for row in range(0, work.m, size.m)
        for column in range(0, work.n, size.n)
    ]
    kernel, inner = product.multiplying(one), min(size.k, work.k)
    cut.sort(key=lambda part: (-kernel(part[0], part[1], inner, False), part))
    return [
        [_tile(one, work, m, n, size.k, clusters) for m, n in cut[cluster::clusters]]
        for cluster in range(clusters)
    ]


def _tile(one: Chip, work: Product, m: int, n: int, k: int, clusters: int) -> Tile:
    number, steps = one.number_bytes, []
    for start in range(0, work.k, k):
        inner = min(k, work.k - start)
        load = product.fetch(one, ((inner * number, m), (inner * number, n)), clusters)
        steps.append(Step(load, product.multiplying(one)(m, n, inner, start > 0)))
    return _ListedTile(steps, one, n * number, m, clusters)


class _ListedTile(Tile):
    """One tile with all of its steps, each with its own cost."""

    def __init__(self, steps: list[Step], one: Chip, row: int, rows: int, clusters: int) -> None:
        object.__setattr__(self, "listed", tuple(steps))
        super().__init__(1, steps[0], stored(one, row, rows, clusters))

    @property
    def steps(self) -> tuple[Step, ...]:
        listed: tuple[Step, ...] = object.__getattribute__(self, "listed")
        return listed


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(["fp64", "fp32", "fp16", "fp8"]),
    st.sampled_from(["off", "on"]),
    st.builds(
        Product, st.integers(1, 30), st.integers(1, 200), st.integers(1, 300), st.integers(1, 3)
    ),
    st.integers(1, 16),
    st.sampled_from(["optimised", "baseline"]),
)
def test_the_busiest_cluster_takes_as_long_as_its_events(
    precision: str, double: str, work: Product, clusters: int, library: str
) -> None:
    one = chip(precision, library=library, double_buffer=double, clusters=str(clusters), ports="1")
    found = product._tiled(one, work)
    runs = [
        Cluster(double == "on", one.streams.barrier, one.dma.dma_disturbs).run(tiles)
        for tiles in _every_tile(one, work, found.clusters)
    ]
    assert found.cycles == pytest.approx(runs[0])
    assert max(runs) <= found.cycles * 1.1


def test_tiles_that_are_found_are_no_slower() -> None:
    for work in (Product(64, 256, 256), Product(1, 256, 512), Product(13, 100, 70)):
        for precision in ("fp32", "fp8"):
            given, found = (
                tiled(chip(precision, double_buffer="on", find_tiles=lever), work).cycles
                for lever in ("off", "on")
            )
            assert found <= given


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(["fp64", "fp8"]),
    st.builds(Product, st.integers(1, 30), st.integers(1, 200), st.integers(1, 300)),
)
def test_double_buffering_is_left_out_where_it_is_slower(precision: str, work: Product) -> None:
    single, double = (chip(precision, double_buffer=lever) for lever in ("off", "on"))
    ways = [product._tiled(one, work).cycles for one in (single, double)]
    assert tiled(double, work).cycles == min(ways)
    assert tiled(single, work).cycles == ways[0]


def test_double_buffering_keeps_the_units_busy() -> None:
    """The published 79 % of an encoder's products in fp64."""
    one, work = chip(double_buffer="on"), Product(197, 768, 3072)
    found = tiled(one, work)
    peak = one.flop_per_cycle * found.clusters / one.geometry.clusters
    assert 2 * work.m * work.n * work.k / found.cycles / peak > 0.79


def test_what_follows_is_cheaper_on_the_tile() -> None:
    plain, with_gelu, with_add = (
        tiled(chip(), Product(64, 256, 128, follow=follow)) for follow in ((), ("gelu",), ("add",))
    )
    assert plain.cycles < with_add.cycles < with_gelu.cycles
    assert with_gelu.dma_bytes == plain.dma_bytes
    assert with_add.dma_bytes == plain.dma_bytes + 8 * 64 * 256
