"""What a soak says of the memory that it takes."""

from collections.abc import Sequence

import pytest

from benchmarks.stream_soak import grown

TAKEN = {
    "flat, with a peak": ([10, 90, 10, 11, 10, 10], 0),
    "more with each moment": ([10, 20, 30, 40, 50, 60], 30),
    "less than at first": ([30, 20, 10, 10], 0),
    "one moment": ([10], 0),
    "none": ([], 0),
}


@pytest.mark.parametrize(("taken_bytes", "more"), TAKEN.values(), ids=TAKEN.keys())
def test_memory_that_grows(taken_bytes: Sequence[int], more: int) -> None:
    assert grown(taken_bytes) == more
