"""How large tiles are."""

from hypothesis import given, settings
from hypothesis import strategies as st

from stagecut.backends.manycore.tiling import Tile, best, candidates
from stagecut.backends.manycore.tiling import given as library
from tests.support.manycore import chip

sizes = st.integers(1, 3000)


@settings(max_examples=30, deadline=None)
@given(
    sizes,
    sizes,
    sizes,
    st.sampled_from(["fp64", "fp8"]),
    st.sampled_from(["65536", "131072", "524288"]),
)
def test_what_is_found_fits(m: int, n: int, k: int, precision: str, scratchpad: str) -> None:
    one = chip(precision, scratchpad_bytes=scratchpad, double_buffer="on", find_tiles="on")
    found = list(candidates(one, m, n, k))
    assert found
    for tile in found:
        assert tile.size_bytes(one) <= one.geometry.usable_bytes
        assert 0 < tile.m <= m
        assert 0 < tile.n <= n
        assert 0 < tile.k <= k


def test_the_library_has_8_by_64_by_512_bytes() -> None:
    assert library(chip(), 197, 768, 768) == Tile(8, 64, 64)
    assert library(chip("fp8"), 197, 768, 768) == Tile(8, 64, 512)
    assert library(chip("fp8"), 1, 10, 100) == Tile(1, 10, 100)


def test_the_first_of_the_fastest_is_taken() -> None:
    assert best([3, 1, 2], lambda item: 0.0, lambda item: -item % 3) == 3
    assert best([3, 1, 2], lambda item: item, lambda item: 0.0) == 3
