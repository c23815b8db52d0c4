"""Which processes hold more at the end of a soak."""

from benchmarks.hosts_soak import grown


def test_what_grows_behind_the_first_quarter_is_named() -> None:
    rows = [
        {"processes": {"a": min(100.0, 30.0 * at), "b": 10.0 + at, "gone": 5.0}} for at in range(8)
    ]
    rows[-1] = {"processes": {"a": 100.0, "b": 17.0, "late": 3.0}}
    assert grown(rows) == {"a": 25.0, "b": 4.5, "late": 3.0}


def test_of_a_single_look_nothing_has_grown() -> None:
    assert grown([{"processes": {"a": 1.0}}]) == {"a": 0.0}
