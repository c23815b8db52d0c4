"""Cycles, bytes and energy of pieces of work."""

import pytest

from stagecut.backends.manycore.costs import cost
from stagecut.backends.manycore.kernels.attention import Head
from stagecut.backends.manycore.product import Product
from stagecut.backends.manycore.work import Attend, Move, Rows, UnsupportedError, Work
from tests.support.manycore import chip

WORK: dict[str, Work] = {
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
def test_the_baseline_is_never_faster(work: Work, precision: str) -> None:
    optimised, baseline = (
        cost(chip(precision, library=library), work) for library in ("optimised", "baseline")
    )
    assert 0 < optimised.cycles <= baseline.cycles
    assert optimised.energy_j(chip(precision)) > 0
    assert 0 <= optimised.utilisation(chip(precision)) < 1


@pytest.mark.parametrize("work", WORK.values(), ids=WORK.keys())
def test_fewer_clusters_are_never_faster(work: Work) -> None:
    """Where each has a port of its own and the memory is never the limit."""
    chips = [chip(clusters=n, ports=n, hbm_bytes_per_cycle="1e6") for n in ("16", "4", "1")]
    cycles = [cost(one, work).cycles for one in chips]
    assert cycles[0] <= cycles[1] <= cycles[2]


@pytest.mark.parametrize("work", WORK.values(), ids=WORK.keys())
def test_narrower_numbers_move_fewer_bytes(work: Work) -> None:
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
    with pytest.raises(UnsupportedError, match="a row of 100000 numbers has no room"):
        cost(chip(), Rows("softmax", 1, 100_000))
    with pytest.raises(UnsupportedError, match="has no room in the scratchpad"):
        cost(chip(), Attend(Head(1, 1, 100_000), 1))


def test_a_long_pass_is_cut() -> None:
    found = cost(chip(), Rows("add", 1, 100_000))
    assert found.dma_bytes >= 3 * 8 * 100_000
