"""Concat fused into the output projection."""

import pytest

from stagecut.backends.manycore.concat import joined
from stagecut.backends.manycore.costs import cost, costs
from stagecut.backends.manycore.kernels.attention import Head
from stagecut.backends.manycore.product import Product, tiled
from stagecut.backends.manycore.work import Attend, Move, Projected
from tests.support.manycore import chip


@pytest.mark.parametrize(
    ("heads", "each", "clusters"), [(12, 1, 12), (16, 1, 16), (24, 2, 12), (32, 2, 16)]
)
def test_each_cluster_multiplies_its_heads(heads: int, each: int, clusters: int) -> None:
    attend, product = Attend(Head(32, 32, 64), heads), Product(32, 768, 64 * heads)
    pair = joined(chip("fp8"), attend, product)
    assert pair is not None
    assert (pair[1].k, pair[1].summed, pair[1].held) == (64 * each, clusters, True)
    assert pair[0].head.kept == each
    found = cost(chip("fp8"), pair[1])
    assert found.flops == 2 * 32 * 768 * 64 * heads
    assert found.clusters == clusters


def test_what_has_no_room_in_the_scratchpad_goes_by_way_of_the_memory() -> None:
    """Of 197 tokens, a head's result takes 99 KiB in fp64."""
    attend, product = Attend(Head(197, 197, 64), 16), Product(197, 1024, 1024)
    kept, through = (joined(chip(precision), attend, product) for precision in ("fp8", "fp64"))
    assert kept is not None
    assert through is not None
    assert (kept[1].held, through[1].held, through[0].head.kept) == (True, False, 0)


def test_heads_that_do_not_divide_are_not_fused() -> None:
    assert joined(chip(), Attend(Head(8, 8, 64), 1), Product(8, 64, 64)) is None
    assert joined(chip(), Attend(Head(8, 8, 64), 25), Product(8, 64, 1600)) is None
    assert joined(chip(), Attend(Head(8, 8, 64), 32), Product(16, 64, 1024)) is None


def test_what_stays_is_neither_stored_nor_fetched() -> None:
    one, attend = chip("fp8"), Attend(Head(32, 32, 64), 16)
    pair = joined(one, attend, Product(32, 768, 1024))
    assert pair is not None
    stored = cost(one, attend)
    kept = cost(one, pair[0])
    assert stored.dma_bytes - kept.dma_bytes == 16 * 32 * 64
    assert kept.cycles < stored.cycles
    fetched = Product(32, 768, 64, summed=16)
    held = Product(32, 768, 64, summed=16, held=True)
    assert tiled(one, held).cycles < tiled(one, fetched).cycles
    tiles_of_columns = 768 // 64
    left = 16 * 32 * 64 * tiles_of_columns
    assert tiled(one, fetched).dma_bytes - tiled(one, held).dma_bytes == left


def test_the_library_fuses_and_who_finds_tiles_chooses() -> None:
    for precision in ("fp64", "fp8"):
        attend, product = Attend(Head(32, 32, 64), 12), Product(32, 768, 768)
        work = Projected(attend, product, (Move(384, 64),))
        library, found = (chip(precision, find_tiles=lever) for lever in ("off", "on"))
        assert [each.clusters for each in costs(library, work)] == [12, 12]
        apart = sum(cost(found, part).cycles for part in (attend, Move(384, 64), product))
        assert sum(each.cycles for each in costs(found, work)) <= apart
