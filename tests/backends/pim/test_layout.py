"""Where weights lie in an HBM-PIM, the room they take, and what happens where there is none."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut import backends
from stagecut.backends.pim.architecture import Tile
from stagecut.backends.pim.device import PimBackend
from stagecut.backends.pim.work import Product
from stagecut.compiler.ir.errors import UnplaceableError
from tests.support.nodes import Sample, sample
from tests.support.pim import estimate

#: One row of all 16 banks of all channels.
STRIPE = 16 * 1024

sizes = st.integers(1, 2000)
channels = st.integers(1, 5)


def test_even_input_tiles_lie_in_even_banks_and_odd_ones_beside_them() -> None:
    tiles = _tiles("channels=1,split=off", inner=300, outer=64)
    assert len(tiles) == 3 * 8
    first_block = [(tile.inputs, tile.bank, tile.row) for tile in tiles if tile.outputs == (0, 8)]
    assert first_block == [((0, 128), 0, 0), ((128, 256), 1, 0), ((256, 384), 0, 2)]


def test_channels_have_outputs_of_their_own() -> None:
    tiles = _tiles("channels=2,split=off", inner=128, outer=200)
    placed = [(tile.outputs, tile.channel, tile.row) for tile in tiles if tile.bank == 0]
    assert placed == [((0, 8), 0, 0), ((128, 136), 0, 2), ((64, 72), 1, 0), ((192, 200), 1, 2)]


def test_channels_that_share_outputs_have_inputs_of_their_own() -> None:
    tiles = _tiles("channels=2", inner=512, outer=64)
    assert {(tile.channel, tile.inputs[0]) for tile in tiles} == {
        (0, 0), (0, 128), (1, 256), (1, 384),
    }  # fmt: skip


def test_what_does_not_fit_into_the_rows_of_a_rank_lies_in_the_next() -> None:
    tiles = _tiles("channels=1,compute_rows=4,split=off", inner=768, outer=64)
    assert [(t.rank, t.row) for t in tiles if t.bank == 0] == [(0, 0), (0, 2), (1, 0)]


@given(sizes, sizes, channels)
def test_every_weight_has_one_place(inner: int, outer: int, channels: int) -> None:
    tiles = _tiles(f"channels={channels}", inner, outer)
    owners = np.zeros((inner, outer), int)
    for tile in tiles:
        owners[slice(*tile.inputs), slice(*tile.outputs)] += 1
    assert (owners == 1).all()


@given(sizes, sizes, channels)
def test_no_row_is_taken_twice(inner: int, outer: int, channels: int) -> None:
    taken = Counter(
        (tile.channel, tile.rank, tile.bank, tile.row + row)
        for tile in _tiles(f"channels={channels},compute_rows=64", inner, outer)
        for row in range(tile.rows)
    )
    assert max(taken.values()) == 1
    room = _backend(f"channels={channels}").architecture.cost(Product(1, inner, outer)).weight_bytes
    rows = room / (STRIPE * channels)
    assert max(rank * 64 + row for _, rank, _, row in taken) == rows - 1


def test_a_gap_takes_room() -> None:
    """Three input tiles take two rows in odd banks, which four would take, too."""
    three, four = (_backend("channels=1").architecture.cost(Product(1, n, 64)) for n in (384, 512))
    assert three.weight_bytes == four.weight_bytes == 4 * STRIPE
    assert three.plain.bytes_padded == 3 * STRIPE


def test_operands_that_are_weights_take_room_as_large_as_the_result() -> None:
    """A pass has 256 of its 512 bytes a bank in one row; four share the row."""
    cases = [("(float[4, 2048] x) => (float[4, 2048] y) { y = Add(x, w) }", STRIPE)]
    cases += [("(float[5, 2048] x) => (float[5, 2048] y) { y = Mul(x, w) }", 2 * STRIPE)]
    cases += [("(float[2, 3] x) => (float[2, 3] y) { y = Relu(x) }", 0)]
    for text, room in cases:
        node = sample(text, w=np.zeros(2048, np.float32)).node
        assert _backend("channels=1").estimate(node).weight_bytes == room


def test_weights_that_cannot_fit_are_refused() -> None:
    node = _product(512, 64).node
    assert _backend(f"channels=1,capacity_bytes={4 * STRIPE}").supports(node)
    support = _backend(f"channels=1,capacity_bytes={4 * STRIPE - 1}").supports(node)
    assert support.reason == (
        "its weights take 64.0 KiB (65536 bytes), padding included, and the memory has room for "
        "64.0 KiB (65535 bytes)"
    )


def test_an_operator_whose_weights_do_not_fit_has_no_estimate() -> None:
    with pytest.raises(UnplaceableError, match=r"take 8\.00 MiB \(8388608 bytes\)") as caught:
        estimate("pim.hbm:capacity_bytes=8000000", "MatMul", [(1, 1024), (1024, 4096)])
    assert caught.value.fix


def test_a_memory_has_no_more_room_than_its_rows() -> None:
    assert _backend("channels=1,ranks=1,capacity_bytes=1000000000000").capacity_bytes == 64 * 2**20


def _product(inner: int, outer: int) -> Sample:
    return sample(
        f"(float[1, {inner}] x) => (float[1, {outer}] y) {{ y = MatMul(x, w) }}",
        w=np.zeros((inner, outer), np.float32),
    )


def _tiles(options: str, inner: int, outer: int) -> list[Tile]:
    return list(_backend(options).architecture.layout(Product(1, inner, outer)))


def _backend(options: str) -> PimBackend:
    backend = backends.create(f"pim.hbm:{options}")
    assert isinstance(backend, PimBackend)
    return backend
