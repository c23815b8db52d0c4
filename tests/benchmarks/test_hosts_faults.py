"""How long a stream is without answers behind an event."""

import pytest

from benchmarks.hosts_faults import _recovered_s


@pytest.mark.parametrize(
    ("answered_s", "expected_s"),
    [
        ((1.0, 2.0, 3.0), 0.0),
        ((1.0, 4.5, 5.0, 5.5), 1.5),
        ((3.5, 4.0, 9.0, 9.5), 6.0),
    ],
    ids=["no answers behind it", "a gap from the event on", "a gap later"],
)
def test_it_has_recovered_at_the_end_of_the_longest_gap(
    answered_s: tuple[float, ...], expected_s: float
) -> None:
    assert _recovered_s(answered_s, 3.0) == expected_s
