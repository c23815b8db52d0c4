"""The read bandwidth: bytes by the clock, the best of several reads."""

import itertools

from stagecut.compiler.measure.read_bandwidth import read_bandwidth


def test_bytes_a_second() -> None:
    """Reads take 1, 2, 3, ... seconds by this clock."""
    readings = itertools.chain.from_iterable((0.0, float(read)) for read in itertools.count(1))
    assert read_bandwidth(1 << 12, lambda: next(readings)) == 1 << 12


def test_an_array_smaller_than_the_number_of_cpus() -> None:
    assert read_bandwidth(1) > 0
