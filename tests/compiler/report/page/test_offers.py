"""What there is to choose from: each at its place, in the order that it was given."""

import pytest

from stagecut.compiler.report.page.offers import Offer, OfferDrawing, offers


def _offer(name: str, amount: float, time_s: float) -> Offer[str]:
    return Offer(name, "other", amount, time_s, f"{name}!")


def _drawn(*found: Offer[str]) -> OfferDrawing[str]:
    return offers(found, "{:g}".format)


def test_each_has_its_place_and_its_number() -> None:
    drawn = _drawn(_offer("wide", 50.0, 1.0), _offer("high", 25.0, 2.0), _offer("none", 0.0, 0.0))
    wide, high, none = drawn.marks
    assert [mark.number for mark in drawn.marks] == [1, 2, 3]
    assert [(mark.thing, mark.title) for mark in (wide, high)] == [
        ("wide", "wide!"),
        ("high", "high!"),
    ]
    assert wide.x == pytest.approx(100 / 1.08) == pytest.approx(2 * high.x)
    assert 100 - high.y == pytest.approx(100 / 1.08) == pytest.approx(2 * (100 - wide.y))
    assert (none.x, none.y) == (0.0, 100.0)


def test_axes_have_round_steps() -> None:
    drawn = _drawn(_offer("wide", 50.0, 1.0), _offer("high", 25.0, 2.0))
    assert [tick.text for tick in drawn.across] == ["0", "10", "20", "30", "40", "50"]
    assert drawn.across[-1].x == pytest.approx(drawn.marks[0].x)
    assert [tick.text for tick in drawn.up] == ["0 s", "500 ms", "1.00 s", "1.50 s", "2.00 s"]


NOTHING = {
    "no offer": [],
    "one": [_offer("a", 1.0, 1.0)],
    "none of the amount": [_offer("a", 0.0, 1.0), _offer("b", 0.0, 2.0)],
    "no time": [_offer("a", 1.0, 0.0), _offer("b", 2.0, 0.0)],
}


@pytest.mark.parametrize("found", NOTHING.values(), ids=NOTHING.keys())
def test_without_a_choice_nothing_is_drawn(found: list[Offer[str]]) -> None:
    assert _drawn(*found) == OfferDrawing()
