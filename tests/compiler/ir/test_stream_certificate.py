"""What a stream's certificate claims, and no more."""

from fractions import Fraction

import numpy as np
import pytest

from stagecut.compiler.ir.stream_certificate import (
    Limit,
    StreamCertificate,
    StreamScope,
    latency_limit,
    limits_of_stream,
)

WHOLE: StreamScope = "schedules with contiguous stages"
ORDER: StreamScope = "contiguous stages in the graph's order"
LATENCY, MEMORY = Limit("latency", 0.05), Limit("memory", 2**31)
ENERGY, WEAR = Limit("energy", 2e-3), Limit("wear", 1.5)

CLAIMS = {
    "nothing at all is faster": ((WHOLE, 4.0), "optimal: no schedule is faster"),
    "nothing contiguous is": (
        (WHOLE, 3.0),
        "optimal: no pipeline of contiguous stages is faster; other schedules by 25.00% at most",
    ),
    "nothing in this order is": (
        (ORDER, 3.0),
        "no pipeline of stretches of the graph's order is faster; "
        "other schedules by 25.00% at most",
    ),
    "nothing within limits is": (
        (WHOLE, 3.0, (LATENCY, MEMORY)),
        "optimal: no pipeline of contiguous stages within 50.0 ms of latency and 2.00 GiB of "
        "memory is faster; other schedules by 25.00% at most",
    ),
    "something within limits may be": (
        (WHOLE, 3.0, (LATENCY,), (), Fraction(10)),
        "not proven optimal: a pipeline of contiguous stages within 50.0 ms of latency is faster "
        "by 20.00% at most; other schedules by 40.00% at most",
    ),
}


@pytest.mark.parametrize(("said", "claim"), CLAIMS.values(), ids=CLAIMS.keys())
def test_claims(said: tuple[StreamScope, float], claim: str) -> None:
    assert StreamCertificate(Fraction(8), 0.5, (), *said).claim == claim


def test_limits() -> None:
    assert (str(LATENCY), str(MEMORY)) == ("50.0 ms of latency", "2.00 GiB of memory")
    assert (LATENCY.exactly, MEMORY.exactly) == ("0.05s", "2147483648B")
    assert LATENCY.allows(0.05 * (1 + 1e-12))
    assert not LATENCY.allows(0.0500001)


def test_limits_of_budgets() -> None:
    assert [str(ENERGY), str(WEAR)] == ["2.00 mJ of energy an input", "1.5 of wear an input"]
    assert [ENERGY.exactly, WEAR.exactly] == ["0.002J", "1.5"]
    assert [each.of_batch(4).most for each in (ENERGY, WEAR, LATENCY)] == [8e-3, 6.0, 0.05]


@pytest.mark.parametrize("most", [2e-3, 1.0, 1e-90, 1e90])
def test_a_budget_is_counted_in_small_parts_of_its_limit(most: float) -> None:
    assert 2**43 <= most / Limit("energy", most).unit(1.0) <= 2**44


def test_units() -> None:
    assert (LATENCY.unit(0.25), MEMORY.unit(0.25)) == (0.25, 1.0)
    assert 1e-100 / Limit("energy", 0.0).unit(1.0) > 2**44  # nothing is little enough


def test_limits_are_numbers_of_python_s_own() -> None:
    limits = limits_of_stream(np.float32(0.5), np.int64(1024), np.int64(2))  # type: ignore[arg-type]
    assert limits == (Limit("latency", 0.5), Limit("memory", 1024.0), Limit("energy", 2.0))
    assert {type(limit.most) for limit in limits} == {float}


def test_the_limit_on_latency_is_found_among_others() -> None:
    limits = limits_of_stream(4e-3, 2**20)
    assert latency_limit(limits) == Limit("latency", 4e-3)
    assert latency_limit(limits[1:]) is None
