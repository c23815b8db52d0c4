"""What is to be seen of the page of each sample when it is opened, in windows of several widths."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import pytest

from tests.support.visits import SAMPLES, Open

_WIDTH = "document.documentElement.scrollWidth"
_LINKS = "(n => n.scrollWidth <= n.clientWidth)(document.querySelector('nav'))"
_TABLES = (
    "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth)"
    ".map(e => e.closest('section').id)"
)

#: Pairs of an axis's numbers that lie over each other.
_AXES = """
[...document.querySelectorAll("svg.drawing")].flatMap((drawing) => {
  const ticks = [...drawing.querySelectorAll("text.tick")]
    .map((text) => [text.textContent, text.getBoundingClientRect()])
    .filter(([, box]) => box.width);
  return ticks.flatMap(([text, a], at) => ticks.slice(at + 1)
    .filter(([, b]) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
    .map(([other]) => `${text} | ${other}`));
})
"""


@dataclass(frozen=True)
class Sight:
    """What is to be seen of a page that nobody touches."""

    complaints: list[str]
    requests: list[str]
    width: int
    links_fit: bool
    wide_tables: list[str]
    overlapping: list[str]


See: TypeAlias = Callable[[str, int], Sight]


@pytest.fixture
def sight(visit: Open, sights: dict[tuple[str, int], Sight]) -> See:
    """Of the page of a sample in a window of this width, which is opened once."""

    def see(name: str, width: int) -> Sight:
        if (name, width) not in sights:
            seen = visit(name, viewport={"width": width, "height": 900})
            seen.page.wait_for_load_state()
            found = [seen.page.evaluate(question) for question in (_WIDTH, _LINKS, _TABLES, _AXES)]
            sights[name, width] = Sight(seen.complaints, seen.requests, *found)
        return sights[name, width]

    return see


@pytest.fixture(scope="module")
def sights() -> dict[tuple[str, int], Sight]:
    return {}


every_page = pytest.mark.parametrize("name", SAMPLES)


@every_page
def test_it_opens_without_a_complaint_and_asks_for_nothing(sight: See, name: str) -> None:
    seen = sight(name, 1400)
    assert seen.complaints == []
    assert [url.split(":")[0] for url in seen.requests] == ["file"]


@every_page
def test_a_narrow_window_needs_no_scrolling_sideways(sight: See, name: str) -> None:
    assert sight(name, 360).width <= 360


@every_page
def test_no_link_to_a_section_is_cut_off(sight: See, name: str) -> None:
    assert sight(name, 1400).links_fit


@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "long names"])
def test_no_table_scrolls_sideways_on_a_screen(sight: See, name: str) -> None:
    """Long names of devices, each in a column of its own, have no room."""
    assert sight(name, 1400).wide_tables == []


@pytest.mark.parametrize("width", [1400, 360])
@every_page
def test_no_number_of_an_axis_lies_over_another(sight: See, name: str, width: int) -> None:
    assert sight(name, width).overlapping == []
