"""GDDR6-AiM: cycles against the vendor's simulator, what parameters do, and the adder tree."""

import csv

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.backends.pim.adder_tree import AdderTree
from stagecut.backends.pim.estimate import OperatorEstimate
from tests.support.pim import estimate, layout
from tests.support.repository import ROOT

TABLE = ROOT / "benchmarks" / "pim_timing.csv"

#: Outputs and inputs of a product -> cycles by the vendor's simulator.
FIGURES = {
    "one pass, half a buffer": (512, 512, 286),
    "one pass, a whole buffer": (512, 1024, 414),
    "further passes keep the buffer": (3072, 768, 1620),
    "a last pass that is not full": (1000, 2048, 1640),
    "several buffers a pass": (768, 3072, 2452),
    "all of it": (4096, 11008, 35280),
}


def _product(outer: int, inner: int, rows: int = 1, options: str = "") -> OperatorEstimate:
    return estimate(f"pim.aim:{options}", "MatMul", [(rows, inner), (inner, outer)])


@pytest.mark.parametrize(("outer", "inner", "cycles"), FIGURES.values(), ids=FIGURES.keys())
def test_simulator_figures(outer: int, inner: int, cycles: int) -> None:
    assert _product(outer, inner).cycles == cycles


def _rows() -> list[tuple[int, int, int, int, int]]:
    keys = ("out", "in", "batch", "channels", "pim_cycles")
    with TABLE.open() as lines:
        found = [row for row in csv.DictReader(lines) if row["simulator"].startswith("aim")]
    return [(*(int(row[key]) for key in keys),) for row in found]  # type: ignore[misc]


@pytest.mark.parametrize("row", _rows(), ids=str)
def test_every_row_of_the_simulator(row: tuple[int, int, int, int, int]) -> None:
    outer, inner, rows, channels, cycles = row
    assert _product(outer, inner, rows, f"channels={channels}").cycles == cycles


#: An option -> what it adds to the 286 cycles of a 512 x 512 product.
CHANGES = {
    "nMODCH=33": 2,
    "nRP=40": 8,
    "nRCDRDMAC=60": 4,
    "nCCD=3": 32 + 31,
    "nCLREG=4": 4,
    "nRTP=99": 0,
}


@pytest.mark.parametrize(("option", "added"), CHANGES.items(), ids=CHANGES)
def test_a_parameter_counts_as_often_as_it_is_waited_for(option: str, added: int) -> None:
    assert _product(512, 512, options=option).cycles == 286 + added


@given(st.integers(1, 6000), st.integers(1, 6000), st.integers(1, 4))
def test_rows_are_products_of_their_own(outer: int, inner: int, rows: int) -> None:
    assert _product(outer, inner, rows).cycles == rows * _product(outer, inner).cycles


@given(st.integers(1, 6000), st.integers(1, 6000))
def test_refresh_costs_its_share(outer: int, inner: int) -> None:
    plain = _product(outer, inner).cycles
    refreshed = _product(outer, inner, options="refresh=on").cycles
    assert plain <= refreshed <= plain * 3333 / (3333 - 298) + 298


def test_commands_are_counted() -> None:
    """A buffer of 64 bursts and a bias are written, 64 bursts multiplied, the sums read."""
    commands = _product(512, 1024, options="channels=1").commands
    passes = 32
    assert commands.wr == 64 + passes
    assert commands.rd == passes * (64 + 1)
    assert commands.act == passes


def test_every_weight_has_its_place() -> None:
    tiles = layout("pim.aim", "MatMul", [(1, 1500), (1500, 700)]).tiles
    places = {(tile.channel, tile.bank, tile.row) for tile in tiles}
    assert len(places) == len(tiles) == 2 * 2 * 512
    held = {(tile.inputs, tile.outputs[0]) for tile in tiles if tile.outputs[0] < 700}
    assert held == {(part, out) for part in ((0, 1024), (1024, 1504)) for out in range(700)}


ACTIVATIONS = ["Relu", "LeakyRelu", "Sigmoid", "Tanh", "Gelu"]


@pytest.mark.parametrize("op", ACTIVATIONS)
def test_activations_take_a_look_up_for_each_number_of_a_bank(op: str) -> None:
    one, two = (estimate("pim.aim", op, [(count * 512,)]) for count in (1, 2))
    assert two.cycles - one.cycles == 2 * 32 + 2 + 6
    assert two.energy_j > one.energy_j


def test_energy_comes_from_commands_and_from_standby() -> None:
    free = ",".join(f"{name}=0" for name in ("standby_w", "host_w", "act_j", "rd_j", "wr_j"))
    only_macs = _product(512, 1024, options=f"{free},dq_j_per_bit=0")
    assert only_macs.energy_j == pytest.approx(32 * 16 * 64 * 1.314e-9)


def _by_hand(rows: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """One number at a time, as adder_tree.py says."""
    outer = np.zeros((len(rows), weight.shape[1]), np.float32)
    for i, j in np.ndindex(outer.shape):
        total = np.float32(0)
        for first in range(0, weight.shape[0], 4):
            level = [
                np.float32(rows[i, k]) * np.float32(weight[k, j])
                if k < weight.shape[0]
                else np.float32(0)
                for k in range(first, first + 4)
            ]
            total += (level[0] + level[1]) + (level[2] + level[3])
        outer[i, j] = np.float32(ml_dtypes.bfloat16(total))
    return outer


@given(st.integers(1, 3), st.integers(1, 11), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_the_tree_adds_up_in_the_stated_order(rows: int, inner: int, outer: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    bf16 = ml_dtypes.bfloat16
    x = random.standard_normal((rows, inner)).astype(bf16).astype(np.float32)
    w = random.standard_normal((inner, outer)).astype(bf16).astype(np.float32)
    found = AdderTree(np.dtype("bfloat16"), lanes=4).product(w)(x)
    np.testing.assert_array_equal(found, _by_hand(x, w))
