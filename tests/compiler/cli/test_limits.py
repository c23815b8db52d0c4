"""Joules, seconds and bytes as people write them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler.cli.limits import (
    parse_bytes,
    parse_joules,
    parse_seconds,
    parse_tolerance,
    stream_limits,
)
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.stream_certificate import Limit

READ = {
    "1.5mJ": 1.5e-3,
    "2 J": 2.0,
    "0.25uJ": 0.25e-6,
    "3µJ": 3e-6,
    "4nJ": 4e-9,
    "1kJ": 1e3,
    "1e-3J": 1e-3,
    " 7J ": 7.0,
}


@pytest.mark.parametrize(("text", "joules"), READ.items(), ids=READ)
def test_reading(text: str, joules: float) -> None:
    assert parse_joules(text) == pytest.approx(joules)


@pytest.mark.parametrize("text", ["", "J", "1", "1.5", "1MJ", "-1J", "1.2.3J", "1 W", "1mj"])
def test_refusing(text: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_joules(text)
    assert (error.value.where, bool(error.value.fix)) == ("--max-energy", True)


SECONDS = {"50ms": 0.05, "2 s": 2.0, "0.5us": 0.5e-6, "3µs": 3e-6, "7ns": 7e-9, "1e-3s": 1e-3}
BYTES = {"2GiB": 2.0**31, "1.5 MiB": 1.5 * 2**20, "3kB": 3e3, "10MB": 1e7, "1TiB": 2.0**40, "9B": 9}


@pytest.mark.parametrize(("text", "time_s"), SECONDS.items(), ids=SECONDS)
def test_times(text: str, time_s: float) -> None:
    assert parse_seconds(text) == pytest.approx(time_s)


@pytest.mark.parametrize(("text", "size_bytes"), BYTES.items(), ids=BYTES)
def test_sizes(text: str, size_bytes: float) -> None:
    assert parse_bytes(text) == size_bytes


@pytest.mark.parametrize("text", ["", "s", "50", "-1s", "1.2.3s", "1 min", "1ks", "nans", "1e999s"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time") as error:
        parse_seconds(text)
    assert error.value.where == "--max-latency"


@pytest.mark.parametrize("text", ["", "B", "2", "2G", "-1B", "1mB", "2gib", "2KB", "infB"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError, match="is not a size") as error:
        parse_bytes(text)
    assert error.value.where == "--max-memory"


def test_limits_of_streams() -> None:
    assert stream_limits(None, None, None) == ()
    energy = Limit("energy", 2e-3)
    assert stream_limits("50ms", "1KiB", "2mJ") == (
        Limit("latency", 0.05),
        Limit("memory", 1024),
        energy,
    )
    assert stream_limits(None, None, "2mJ") == (energy,)


TOLERANCES = {"0.05": 0.05, "0": 0.0, " 1e-3": 1e-3, "cosine=1": 0.0, "cosine = 0.6": 0.8}


@pytest.mark.parametrize(("text", "allowed"), TOLERANCES.items(), ids=TOLERANCES)
def test_tolerances(text: str, allowed: float) -> None:
    assert parse_tolerance(text) == pytest.approx(allowed)


@pytest.mark.parametrize(
    "text", ["", "-0.1", "nan", "inf", "5 %", "cosine", "cosine=0", "cosine=1.1", "rms=0.1"]
)
def test_tolerances_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="is no tolerance") as error:
        parse_tolerance(text)
    assert error.value.where == "--tolerance"


def test_a_metric_has_a_unit_of_its_own() -> None:
    assert parse_tolerance("0.1", of_metric=True) == 0.1
    assert parse_tolerance(None) is None
    with pytest.raises(UsageError, match="no tolerance of a metric"):
        parse_tolerance("cosine=0.9", of_metric=True)


@given(st.floats(0.01, 0.9999), st.integers(0, 99))
def test_no_output_within_it_is_at_a_smaller_cosine(cosine: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    right, change = rng.standard_normal((2, 3))
    allowed = parse_tolerance(f"cosine={cosine!r}")
    assert allowed is not None
    found = right + allowed * change * np.linalg.norm(right) / np.linalg.norm(change)
    at = found @ right / np.linalg.norm(found) / np.linalg.norm(right)
    assert at >= cosine - 1e-9
