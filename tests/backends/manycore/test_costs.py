"""Cycles, bytes and energy of pieces of work."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagecut.backends.manycore.chip import Chip
from stagecut.backends.manycore.costs import Kernel, cost
from stagecut.backends.manycore.kernels.attention import Head
from stagecut.backends.manycore.product import Product
from stagecut.backends.manycore.work import Attend, Move, NoRoomError, Rows
from tests.support.manycore import chip

WORK: dict[str, Kernel] = {
    "product": Product(64, 128, 96, follow=("gelu",)),
    "attention": Attend(Head(64, 64, 64), 4),
    "layernorm": Rows("layernorm", 64, 96),
    "softmax": Rows("softmax", 64, 96),
    "gelu": Rows("gelu", 64, 96),
    "add": Rows("add", 64, 96),
    "transposition": Move(640, 16),
}


@pytest.mark.parametrize("work", WORK.values(), ids=WORK.keys())
@pytest.mark.parametrize("precision", ["fp64", "fp32", "fp16", "fp8"])
def test_the_baseline_is_never_faster(work: Kernel, precision: str) -> None:
    optimised, baseline = (
        cost(chip(precision, library=library), work) for library in ("optimised", "baseline")
    )
    assert 0 < optimised.cycles <= baseline.cycles
    assert optimised.energy_j(chip(precision)) > 0
    assert 0 <= optimised.utilisation(chip(precision)) < 1


@pytest.mark.parametrize("work", WORK.values(), ids=WORK.keys())
def test_fewer_clusters_are_never_faster(work: Kernel) -> None:
    """Where each has a port of its own and the memory is never the limit."""
    chips = [chip(clusters=n, ports=n, hbm_bytes_per_cycle="1e6") for n in ("16", "4", "1")]
    cycles = [cost(one, work).cycles for one in chips]
    assert cycles[0] <= cycles[1] <= cycles[2]


@pytest.mark.parametrize("work", WORK.values(), ids=WORK.keys())
def test_narrower_numbers_move_fewer_bytes(work: Kernel) -> None:
    wide, narrow = (cost(chip(precision), work).dma_bytes for precision in ("fp64", "fp8"))
    assert wide >= 8 * narrow * 0.99


def test_energy_is_of_instructions_cores_and_memory() -> None:
    found = cost(chip(), Product(8, 64, 64))
    assert found.clusters == 1
    expected = 8 * 64 * 64 * 28e-12 + found.cycles * 8 * 10e-12 + found.dma_bytes * 8 * 3.9e-12
    assert found.energy_j(chip()) == pytest.approx(expected)


def test_a_mask_halves_the_work() -> None:
    plain, masked = (
        cost(chip(), Attend(Head(64, 64, 64, causal=causal), 1)) for causal in (False, True)
    )
    assert masked.flops == pytest.approx(plain.flops / 2, rel=0.02)
    assert masked.cycles < plain.cycles


def test_a_row_that_overflows_the_scratchpad_is_refused() -> None:
    with pytest.raises(NoRoomError, match="a row of 100000 numbers has no room"):
        cost(chip(), Rows("softmax", 1, 100_000))
    with pytest.raises(NoRoomError, match="has no room in the scratchpad"):
        cost(chip(), Attend(Head(1, 1, 100_000), 1))


def test_a_long_pass_is_cut() -> None:
    found = cost(chip(), Rows("add", 1, 100_000))
    assert found.dma_bytes >= 3 * 8 * 100_000


SIZES = st.integers(0, 6).map(lambda power: 1 << power) | st.integers(1, 100)
HEADS = st.builds(Head, SIZES, SIZES, st.sampled_from([1, 16, 40, 64]))
ANY: st.SearchStrategy[Kernel] = st.one_of(
    st.builds(Product, SIZES, SIZES, SIZES, st.integers(1, 5)),
    st.builds(Attend, HEADS, st.integers(1, 40)),
    st.builds(Rows, st.sampled_from(["layernorm", "softmax", "gelu", "add"]), SIZES, SIZES),
    st.builds(Move, SIZES, SIZES),
)
LEVERS = (
    "double_buffer",
    "near_exp",
    "transposed_v",
    "multiply_not_divide",
    "split_n",
    "find_tiles",
)


def _chip(precision: str, levers: set[str], clusters: int, ports: int) -> Chip:
    on = dict.fromkeys(sorted(levers), "on")
    return chip(precision, **on, clusters=str(clusters), ports=str(ports))


CHIPS = st.builds(
    _chip,
    st.sampled_from(["fp64", "fp32", "fp16", "fp8"]),
    st.sets(st.sampled_from(LEVERS)),
    st.sampled_from([1, 4, 16, 64]),
    st.sampled_from([1, 8]),
)


@settings(max_examples=15, deadline=None)
@given(CHIPS, ANY)
def test_nothing_is_faster_than_the_roofline(one: Chip, work: Kernel) -> None:
    """Neither than the cores at their peak, nor than the ways to the memory."""
    found, g = cost(one, work), one.geometry
    assert found.cycles * g.cores * 2 * one.fpu.lanes * found.clusters >= found.flops
    least = found.dma_bytes / min(g.ports * g.dma_bytes, g.hbm_bytes_per_cycle)
    assert found.cycles >= least * (1 - 1e-9)
    assert 0 <= found.utilisation(one) <= 1


@settings(max_examples=12, deadline=None)
@given(CHIPS, ANY, st.data())
def test_twice_as_much_is_never_faster(one: Chip, work: Kernel, data: st.DataObject) -> None:
    if isinstance(work, Attend):
        side = data.draw(st.sampled_from(["queries", "keys", "d"]))
        head = replace(work.head, **{side: 2 * getattr(work.head, side)})
        more: Kernel = replace(work, head=head)
    else:
        names = ("m", "n", "k", "count") if isinstance(work, Product) else ("rows", "columns")
        side = data.draw(st.sampled_from(names))
        more = replace(work, **{side: 2 * getattr(work, side)})
    assert cost(one, more).cycles >= cost(one, work).cycles * 0.999
