"""A preset as a chip."""

import pytest

from tests.support.manycore import chip, manycore


@pytest.mark.parametrize(
    ("precision", "flop"), [("fp64", 256), ("fp32", 512), ("fp16", 1024), ("fp8", 2048)]
)
def test_the_peak_is_the_published_one(precision: str, flop: int) -> None:
    """GFLOP/s of 16 clusters at 1 GHz, as the authors' scripts count them."""
    assert chip(precision).flop_per_cycle == flop


def test_a_slow_fpu_delays_the_next_of_eight_sums() -> None:
    assert [chip(latency_fp64=str(n)).issue for n in (1, 3, 7, 8, 15, 16)] == [1, 1, 1, 2, 2, 3]


def test_occamy_has_more_clusters_and_less_memory() -> None:
    occamy = manycore("manycore.occamy").chip.geometry
    assert (occamy.clusters, occamy.ports, occamy.capacity_bytes) == (24, 6, 8 << 30)


def test_beats_take_longer_where_ports_or_memory_are_shared() -> None:
    geometry = chip().geometry
    assert [geometry.slowdown(n) for n in (1, 8, 16)] == [1, 1, 2]
    assert chip(hbm_bytes_per_cycle="128").geometry.slowdown(8) == 4
