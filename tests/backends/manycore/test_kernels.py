"""Kernels of a cluster against common sense, where no reference is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecut.backends.manycore.chip import Chip
from stagecut.backends.manycore.kernels import attention, dma, elementwise, gelu, layernorm, softmax
from stagecut.backends.manycore.kernels.attention import Head, Tile
from stagecut.backends.manycore.kernels.barrier import barrier
from stagecut.backends.manycore.kernels.expf import expf, exponential
from stagecut.backends.manycore.kernels.gemm import gemm, streamed
from stagecut.backends.manycore.kernels.gemv import gemv
from stagecut.backends.manycore.kernels.reduction import reduction
from stagecut.backends.manycore.pipeline import NOTHING, Fetch, Step
from stagecut.backends.manycore.pipeline import Tile as Steps
from tests.support.manycore import chip
from tests.support.manycore_replay import Cluster, meet

PRECISIONS = ("fp64", "fp32", "fp16", "fp8")
precisions = st.sampled_from(PRECISIONS)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_optimised_product_is_faster_than_the_baseline(precision: str) -> None:
    slow = gemm(chip(precision, library="baseline"), 8, 16, 64)
    assert 3 < slow / gemm(chip(precision), 8, 16, 64) < 60


@settings(max_examples=25, deadline=None)
@given(precisions, st.integers(1, 20), st.integers(1, 40), st.integers(1, 40))
def test_tails_are_computed(precision: str, m: int, n: int, k: int) -> None:
    """A product takes as long as the next larger one of whole blocks and lanes."""
    one = chip(precision)
    lanes = one.fpu.lanes
    whole = gemm(one, m, -(-n // 8) * 8, -(-k // lanes) * lanes)
    assert gemm(one, m, n, k) == pytest.approx(whole, rel=0.1)
    assert gemm(one, m, n, k) > n * m * k / lanes / one.geometry.cores


@given(st.integers(1, 2000), st.integers(1, 64), st.sampled_from(["read", "write"]))
def test_a_transfer_takes_a_beat_a_cycle_at_the_least(
    row: int, rows: int, direction: dma.Direction
) -> None:
    one = chip()
    taken = dma.done_2d(one, row, rows, direction)
    assert taken >= rows * dma.beats(one, row)
    assert dma.done_2d(one, row, rows, direction, clusters=16) >= taken
    assert 0 <= dma.seen_2d(one, row, rows, direction) - taken < one.dma.dma_poll_2d


@given(st.integers(1, 1 << 20), st.sampled_from(["read", "write", "local"]))
def test_who_waits_sees_the_end_within_a_poll(size: int, direction: dma.Direction) -> None:
    one = chip()
    late = dma.seen_1d(one, size, direction) - dma.done_1d(one, size, direction)
    assert 0 <= late < one.dma.dma_poll


def test_a_queue_pays_the_start_once() -> None:
    one = chip()
    four = dma.done_1d(one, 4096, count=4)
    assert 4 * dma.done_1d(one, 4096) - four == pytest.approx(3 * (19 - 2.5))


def test_splitting_the_columns_of_a_row_keeps_all_cores_busy() -> None:
    alone, split = (gemv(chip(split_n=lever), 64, 128) for lever in ("off", "on"))
    assert 4 < alone / split < 8
    assert alone == streamed(chip(), 1, 64, 128)


def test_exponentials_crowd() -> None:
    costs = [exponential(chip("fp32"), busy) for busy in range(1, 9)]
    assert costs == sorted(costs)
    assert (costs[0], costs[-1]) == (118, 265)
    assert exponential(chip("fp32", near_exp="on"), 8) == 60
    assert expf(chip("fp32"), 64, near=True) == 64 * 192


def test_passes_deal_numbers_out() -> None:
    one, wide = chip(), chip("fp8")
    assert softmax.softmax(one, 9, 32) > 1.9 * softmax.softmax(one, 1, 32)
    assert layernorm.layernorm(wide, 8, 768) < layernorm.layernorm(one, 8, 768) / 4
    assert gelu.gelu(one, 64) == gelu.gelu(one, 57)
    assert elementwise.axpy(wide, 4096) < elementwise.axpy(one, 4096) / 2
    assert elementwise.axpy(chip(library="baseline"), 4096) > 5 * elementwise.axpy(one, 4096)
    assert barrier(one) == 3


LEVERS = ("double_buffer", "near_exp", "transposed_v", "multiply_not_divide")


@pytest.mark.parametrize("lever", LEVERS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_each_lever_makes_attention_faster(precision: str, lever: str) -> None:
    head, tile = Head(32, 64, 64), Tile(16, 32)
    plain = attention.attention(chip(precision), head, tile)
    assert attention.attention(chip(precision, **{lever: "on"}), head, tile) < plain


def test_one_token_is_faster_with_all_cores() -> None:
    head, tile = Head(1, 128, 64), Tile(1, 32)
    plain, split = (
        attention.attention(chip("fp16", split_n=lever), head, tile) for lever in ("off", "on")
    )
    assert split < plain / 1.5


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(1, 80))
def test_attention_computes_the_tails_of_tiles(queries: int, keys: int) -> None:
    """More rows and more keys never take less; a mask leaves tiles out."""
    one, tile = chip("fp32"), Tile(16, 32)
    taken = attention.attention(one, Head(queries, keys, 16), tile)
    assert attention.attention(one, Head(queries, keys + 32, 16), tile) > taken
    assert attention.attention(one, Head(queries + 16, keys, 16), tile) > taken
    masked = attention.attention(one, Head(queries, max(keys, queries), 16, causal=True), tile)
    assert masked <= attention.attention(one, Head(queries, max(keys, queries), 16), tile)


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(0, 40),
    st.booleans(),
    st.sampled_from(["off", "on"]),
    precisions,
)
def test_attention_is_the_sum_of_its_tiles(
    queries: int, more: int, causal: bool, double: str, precision: str
) -> None:
    """Each tile priced by itself, one after the other; left-over rows as they are or filled up."""
    one, tile = chip(precision, double_buffer=double), Tile(16, 24)
    head, total = Head(queries, queries + more, 16, causal), 0.0
    for start in range(0, queries, tile.rows):
        rows = min(tile.rows, queries - start)
        keys = more + start + rows if causal else head.keys
        widths = [min(tile.columns, keys - at) for at in range(0, keys, tile.columns)]
        size = 16 * one.number_bytes
        total += dma.done_2d(one, size, rows) + dma.done_2d(one, size, rows, "write")
        total += one.rows.attention_tile
        total += min(_columns(one, filled, widths) for filled in {rows, min(16, -(-rows // 8) * 8)})
    assert attention.attention(one, head, tile) == pytest.approx(total)


def _columns(one: Chip, rows: int, widths: list[int]) -> float:
    loads = [attention.copy_kv(one, Tile(rows, width), 16) for width in widths]
    works = [
        attention.scores(one, Tile(rows, width), 16)
        + attention.softmax_tile(one, Tile(rows, width), 16, first=not at)
        + attention.outputs(one, Tile(rows, width), 16, first=not at)
        for at, width in enumerate(widths)
    ]
    after = attention.rescale(one, Tile(rows, 1), 16)
    if not one.levers.double_buffer:
        return after + sum(loads) + sum(works)
    steps = [Step(Fetch(load, 0), work) for load, work in zip(loads, works, strict=True)]
    events = Cluster(True, barrier(one), 0.0).run([Steps(1, step, NOTHING) for step in steps])
    # barriers around a tile of rows are in its constant
    return after + events - 2 * barrier(one)


@given(st.integers(1, 70), st.integers(1, 6000), precisions)
def test_sums_meet_in_a_tree(clusters: int, elements: int, precision: str) -> None:
    one = chip(precision)
    fetch = dma.done_1d(one, elements * one.number_bytes, "local")
    events = meet(clusters, fetch, barrier(one), elementwise.axpy(one, elements))
    assert reduction(one, elements, clusters) == pytest.approx(events)
