"""Budgets are tightened by what was measured."""

import pytest

from stagecut.passes.precision.tighten import tighten


def _attempts(truth: float, most: float = 0.1) -> list[tuple[float, float | None]]:
    """Of a solver that uses its limit up, where the truth is so many times what is predicted."""
    found = tighten(
        most,
        most**2,
        lambda limit: limit**0.5,
        lambda off: off**2,
        lambda off: off,
        lambda off: truth * off,
    )
    return [(each.limit, each.measured) for each in found.attempts]


def test_a_prediction_that_holds_is_solved_once() -> None:
    [(limit, measured)] = _attempts(1.0)
    assert limit == pytest.approx(0.01)
    assert measured == pytest.approx(0.1)


def test_one_that_is_too_low_is_solved_again() -> None:
    first, second = _attempts(1.2)
    assert first[1] == pytest.approx(0.12)
    assert second[0] == pytest.approx(0.9 * 0.01 / 1.44)
    assert second[1] is not None
    assert second[1] <= 0.1


def test_at_most_three_times_more() -> None:
    found = tighten(0.1, 0.01, lambda limit: limit, lambda _: 0.01, lambda _: 0.1, lambda _: 0.2)
    assert len(found.attempts) == 4
    limits = [each.limit for each in found.attempts]
    assert limits == sorted(limits, reverse=True)


def test_nothing_is_tightened_where_nothing_is_measured() -> None:
    found = tighten(0.1, 0.01, lambda limit: limit, lambda _: 0, lambda _: 0.0, lambda _: None)
    assert [each.measured for each in found.attempts] == [None]


def test_a_limit_that_is_not_used_up_is_tightened_from_what_was() -> None:
    """As with a metric, of which nothing is known before the first plan."""
    found = tighten(
        0.01,
        5.0,
        lambda limit: min(limit**0.5, 0.2),
        lambda off: off**2,
        lambda off: off,
        lambda off: off / 4,
    )
    first, second = found.attempts
    assert (first.predicted, first.measured) == (0.2, 0.05)
    assert second.limit == pytest.approx(0.9 * 0.2**2 * 0.2**2)
    assert second.measured is not None
    assert second.measured <= 0.01


def test_what_loses_nothing_is_not_tightened() -> None:
    found = tighten(0.0, 5.0, lambda limit: limit, lambda _: 0.09, lambda _: 0.3, lambda _: 0.0)
    assert len(found.attempts) == 1


def test_one_that_is_much_too_high_is_solved_again_and_the_loosest_that_is_kept_counts() -> None:
    """As where the output that is furthest off counts for each node, and it is not the same one."""
    first, second = _attempts(0.5)
    assert first[0] == pytest.approx(0.01)
    assert first[1] == pytest.approx(0.05)
    assert second[0] == pytest.approx(0.9 * 0.01 / 0.25)
    assert second[1] == pytest.approx(0.5 * second[0] ** 0.5)
    truths = iter((0.5, 1.2))  # what was seen of the first one misleads
    found = tighten(
        0.1,
        0.01,
        lambda limit: limit**0.5,
        lambda off: off**2,
        lambda off: off,
        lambda off: off * next(truths),
    )
    assert len(found.attempts) == 2
    assert (found.solved, found.limit) == (pytest.approx(0.1), 0.01)


def test_what_is_predicted_of_the_worst_output_is_not_what_the_budget_limits() -> None:
    """Here the outputs that are worst for each node are others: half of the sum is at none."""
    found = tighten(
        0.1,
        0.01,
        lambda limit: limit,
        lambda squared: squared,
        lambda squared: (squared / 4) ** 0.5,
        lambda squared: (squared / 4) ** 0.5,
    )
    assert [each.limit for each in found.attempts] == pytest.approx([0.01, 0.9 * 4 * 0.01])
    assert [each.predicted for each in found.attempts] == [each.measured for each in found.attempts]


def test_a_little_too_high_is_left_alone() -> None:
    assert len(_attempts(0.9)) == 1


def test_a_budget_that_is_not_used_up_is_not_loosened() -> None:
    found = tighten(0.1, 0.01, lambda _: 0.02, lambda off: off**2, lambda off: off, lambda off: off)
    assert len(found.attempts) == 1
