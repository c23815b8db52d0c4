"""Text for people: seconds, bytes and whatever else in the unit that suits their size."""

import math

_TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"), (1e-12, "ps"))
_PREFIXES = (
    (1e12, "T"),
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "µ"),
    (1e-9, "n"),
    (1e-12, "p"),
)
_LEAST_PART = 1e-4
_SIZES = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def seconds(time_s: float) -> str:
    """`0.0123` -> `12.3 ms`; three significant digits, from picoseconds to minutes."""
    if time_s == 0:
        return "0 s"
    if abs(time_s) >= 1e9:
        return f"{time_s:.2e} s"
    if abs(time_s) >= 120:
        return f"{time_s / 60:.1f} min"
    for unit_s, name in _TIMES:
        # 0.9995 of a unit already rounds up to it at three digits
        if abs(time_s) >= 0.9995 * unit_s:
            return f"{_three_digits(time_s / unit_s)} {name}"
    return f"{time_s:.2e} s"


def enough(time_s: float) -> str:
    """`0.0123456` -> `12.35ms`: as options take it, four significant digits and no less than it
    is, but for what sums of times differ by."""
    least_s = time_s * (1 - 1e-9)
    units = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))
    unit_s, name = next((each for each in units if time_s >= each[0]), units[-1])
    step = 10.0 ** max(0, 3 - math.floor(math.log10(least_s / unit_s))) if least_s else 1.0
    return f"{math.ceil(least_s / unit_s * step) / step:.12g}{name}"


def at_most(part: float) -> str:
    """`0.25` -> `25.00%`: of a bound above nought, which is never told as `0.00%`."""
    return f"{max(part, _LEAST_PART):.2%}"


def size(size_bytes: float) -> str:
    """`2048` -> `2.00 KiB`."""
    for unit, name in _SIZES:
        if abs(size_bytes) >= unit:
            return f"{_three_digits(size_bytes / unit)} {name}"
    return f"{size_bytes:g} B"


def size_exactly(size_bytes: int) -> str:
    """`2048` -> `2.00 KiB (2048 bytes)`: where two sizes may be nearly the same."""
    if size_bytes < 1024:
        return f"{size_bytes} bytes"
    return f"{size(size_bytes)} ({size_bytes} bytes)"


def scaled(number: float, unit: str) -> str:
    """`0.0123, "J"` -> `12.3 mJ`; `2.5e11, "FLOP/s"` -> `250 GFLOP/s`."""
    if number == 0:
        return f"0 {unit}"
    for step, prefix in _PREFIXES:
        if abs(number) >= 0.9995 * step:
            return f"{_three_digits(number / step)} {prefix}{unit}"
    return f"{number:.2e} {unit}"


def _three_digits(number: float) -> str:
    magnitude = abs(number)
    digits = 2 if magnitude < 9.995 else 1 if magnitude < 99.95 else 0
    return f"{number:.{digits}f}"
