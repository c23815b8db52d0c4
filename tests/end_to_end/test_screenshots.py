"""Pictures of a real plan's page, taken in a browser: those in the README are made by this.

`make screenshots` keeps them in docs/images. They are made anew only on request: the times in them
are never twice the same.

Large plans are looked at on two screens: all of their pages has to be readable. Their costs are
handed in (tests/support/by_speed.py); `-k large --screenshots FOLDER` keeps the pictures.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.report.model.build import build_report
from stagecut.compiler.report.page.html import to_html
from tests.support.by_speed import plan_by_speed
from tests.support.planned import gate_report_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, FloatRect

#: What is in the picture: the sections of the page, and whether it is dark.
PICTURES: dict[str, tuple[tuple[str, ...], bool]] = {
    "report-summary": (("#summary",), False),
    "report-contenders": (("#contenders", "#timeline"), False),
    "report-graph": (("#graph",), False),
    "report-dark": (("#summary",), True),
}
#: Plans of large models, and the widths of a desk's screen and of a telephone's.
LARGE = ("minilm", "bert-base")
WIDTHS = (1400, 390)

#: Texts of a drawing's axis that lie over each other, and those that are wider than their bar.
_UNREADABLE = """() => {
    const seen = (text) => text.getClientRects().length > 0;
    const over = (a, b) =>
        a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
    const found = [];
    for (const drawing of document.querySelectorAll("svg.drawing")) {
        const boxes = [...drawing.querySelectorAll("text.tick")].filter(seen).map(
            (text) => [text.textContent, text.getBoundingClientRect()]);
        boxes.forEach(([name, box], at) => boxes.slice(at + 1).forEach(([other, next]) => {
            if (over(box, next)) found.push(`${name} and ${other}`);
        }));
        for (const text of [...drawing.querySelectorAll("text.inside")].filter(seen)) {
            const bar = text.parentElement.querySelector("rect").getBoundingClientRect();
            if (text.getBoundingClientRect().width > bar.width) found.push(text.textContent);
        }
    }
    return found;
}"""

#: Tables that are wider than their place.
_SCROLLING = """() => [...document.querySelectorAll(".scroll")]
    .filter((each) => each.scrollWidth > each.clientWidth)
    .map((each) => each.getAttribute("aria-label"))"""

#: A PNG in a README should not take long to load.
MOST_BYTES = 200_000


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plan = compile_model(
        "zoo:bert-small:seq=16", devices=["cpu.serial", "cpu.parallel", "pim.hbm:channels=64"]
    )
    path = tmp_path_factory.mktemp("page") / "bert-small.html"
    report = build_report(plan.first.planned, read_costs(plan.first.costs))
    path.write_text(to_html(report), "utf-8")
    return path


def test_pictures(
    page: Path, browser: "Browser", tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.config.getoption("--screenshots") or tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    for name, (sections, dark) in PICTURES.items():
        view = browser.new_page(
            viewport={"width": 1100, "height": 800},
            color_scheme="dark" if dark else "light",
        )
        complaints: list[str] = []
        view.on("console", partial(_note, complaints))
        view.goto(page.as_uri())
        view.fill("#graph-search", "gelu")
        view.press("#graph-search", "Enter")  # so that the panel has something to say
        view.evaluate("window.scrollTo(0, 0)")
        found = [view.locator(section).bounding_box() for section in sections]
        boxes = [box for box in found if box is not None]
        assert len(boxes) == len(sections)
        view.screenshot(path=folder / f"{name}.png", full_page=True, clip=_around(boxes))
        assert complaints == []
        view.close()
        size = (folder / f"{name}.png").stat().st_size
        assert 5_000 < size < MOST_BYTES


def _note(complaints: list[str], message: "ConsoleMessage") -> None:
    complaints.append(message.text)


def _around(boxes: "Sequence[FloatRect]") -> "FloatRect":
    top = min(box["y"] for box in boxes)
    bottom = max(box["y"] + box["height"] for box in boxes)
    left = min(box["x"] for box in boxes)
    right = max(box["x"] + box["width"] for box in boxes)
    return {"x": left - 8, "y": top - 8, "width": right - left + 16, "height": bottom - top + 16}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    for model in LARGE:
        page = to_html(gate_report_of(plan_by_speed(model)))
        (folder / f"{model}.html").write_text(page, "utf-8")
    return folder


@pytest.mark.parametrize("model", LARGE)
def test_a_large_plan_can_be_read(
    large: Path, browser: "Browser", model: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.config.getoption("--screenshots") or tmp_path
    for width in WIDTHS:
        view = browser.new_page(viewport={"width": width, "height": 900})
        complaints: list[str] = []
        view.on("console", partial(_note, complaints))
        view.goto((large / f"{model}.html").as_uri())
        assert view.evaluate("document.documentElement.scrollWidth") == width
        assert view.evaluate(_UNREADABLE) == []
        assert width < max(WIDTHS) or view.evaluate(_SCROLLING) == []
        assert view.locator("#graph-drawing .title").count() < 61 / 2  # layers once each
        view.screenshot(path=folder / f"large-{model}-{width}.png", full_page=True)
        assert complaints == []
        view.close()


def test_large_plans_have_many_stages() -> None:
    """As many as the plan of MiniLM that could not be read: 61."""
    stages = {model: len(plan_by_speed(model).planned.stages) for model in LARGE}
    assert min(stages.values()) >= 61
