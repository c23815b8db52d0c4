"""Pictures of a real plan's page, taken in a browser: those in the README are made by this.

`make screenshots` keeps them in docs/images. They are made anew only on request: the times in them
are never twice the same.
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
from tests.support.browser import chromium

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, FloatRect

#: What is in the picture: the sections of the page, and whether it is dark.
PICTURES: dict[str, tuple[tuple[str, ...], bool]] = {
    "report-summary": (("#summary",), False),
    "report-contenders": (("#contenders", "#timeline"), False),
    "report-graph": (("#graph",), False),
    "report-dark": (("#summary",), True),
}
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


def test_pictures(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    folder: Path = request.config.getoption("--screenshots") or tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
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
