"""Numbers as people read them: three digits, and the unit that suits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler.cli.limits import parse_seconds
from stagecut.compiler.ir.units import enough, scaled, seconds, size, size_exactly

SECONDS = {
    "nothing": (0.0, "0 s"),
    "picoseconds": (4e-10, "400 ps"),
    "next to nothing": (4e-15, "4.00e-15 s"),
    "nanoseconds": (4.2e-8, "42.0 ns"),
    "microseconds": (1e-6, "1.00 µs"),
    "rounding up into the next unit": (9.996e-4, "1.00 ms"),
    "milliseconds": (0.0123, "12.3 ms"),
    "seconds": (5.0, "5.00 s"),
    "minutes": (600.0, "10.0 min"),
    "more than a life": (2.5e99, "2.50e+99 s"),
    "a saving": (-0.002, "-2.00 ms"),
}


@pytest.mark.parametrize(("time_s", "text"), SECONDS.values(), ids=SECONDS.keys())
def test_seconds(time_s: float, text: str) -> None:
    assert seconds(time_s) == text


ENOUGH = {
    "nothing": (0.0, "0ns"),
    "less than a nanosecond": (3e-12, "0.003ns"),
    "rounded up": (0.0123401, "12.35ms"),
    "into the next unit": (0.99999999e-3, "1000us"),
    "what sums of times differ by": (8e-3 * (1 + 1e-12), "8ms"),
    "seconds": (2.0, "2s"),
    "a year": (31556952.5, "31556953s"),
}


@pytest.mark.parametrize(("time_s", "text"), ENOUGH.values(), ids=ENOUGH.keys())
def test_enough(time_s: float, text: str) -> None:
    assert enough(time_s) == text


@given(st.floats(1e-12, 1e9))
def test_it_is_enough_and_hardly_more(time_s: float) -> None:
    allowed_s = parse_seconds(enough(time_s))
    assert time_s <= allowed_s * (1 + 1e-9)
    assert allowed_s <= time_s * 1.0011 + 1e-12


SIZES = {
    "nothing": (0, "0 B"),
    "bytes": (1023, "1023 B"),
    "kibibytes": (2048, "2.00 KiB"),
    "mebibytes": (3 * 2**20, "3.00 MiB"),
    "gibibytes": (100 * 2**30, "100 GiB"),
}


@pytest.mark.parametrize(("size_bytes", "text"), SIZES.values(), ids=SIZES.keys())
def test_size(size_bytes: int, text: str) -> None:
    assert size(size_bytes) == text


SCALED = {
    "nothing": (0.0, "J", "0 J"),
    "an energy": (0.0123, "J", "12.3 mJ"),
    "a speed": (2.5e11, "FLOP/s", "250 GFLOP/s"),
    "beyond the prefixes": (3e-15, "J", "3.00e-15 J"),
}


@pytest.mark.parametrize(("number", "unit", "text"), SCALED.values(), ids=SCALED.keys())
def test_scaled(number: float, unit: str, text: str) -> None:
    assert scaled(number, unit) == text


@given(st.floats(1e-12, 1e5))
def test_three_digits_are_kept(time_s: float) -> None:
    number, unit = seconds(time_s).split()
    unit_s = {"ps": 1e-12, "ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}[unit]
    assert float(number) * unit_s == pytest.approx(time_s, rel=0.03)


def test_sizes_that_are_nearly_the_same_are_told_apart() -> None:
    assert size_exactly(1000) == "1000 bytes"
    assert size_exactly(65535) == "64.0 KiB (65535 bytes)"
    assert size_exactly(65536) == "64.0 KiB (65536 bytes)"
