"""The pages of all samples, in a browser."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.visits import SAMPLES, Open, Visit, html_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages")
    for name, sample in SAMPLES.items():
        (path / f"{name}.html").write_text(html_of(sample), "utf-8")
    return path


@pytest.fixture(scope="module")
def tabs(browser: "Browser") -> dict[str, "Page"]:
    """One for each set of options, which all tests use: to open another takes as long as most of
    what is tested in it."""
    return {}


@pytest.fixture
def visit(browser: "Browser", folder: Path, tabs: dict[str, "Page"]) -> Iterator[Open]:
    """Opens the page of a sample anew; options are those of a browser context."""
    used: list[Callable[[], None]] = []

    def open_page(name: str = "mixed", **options: Any) -> Visit:
        viewport = options.pop("viewport", {"width": 1280, "height": 900})
        if str(options) not in tabs:
            tabs[str(options)] = browser.new_page(**options)
        page = tabs[str(options)]
        found = Visit(page)
        heard = {
            "console": lambda message: found.complaints.append(message.text),
            "pageerror": lambda error: found.complaints.append(str(error)),
            "dialog": lambda dialog: found.complaints.append(f"dialog: {dialog.message}"),
            "request": lambda asked: found.requests.append(asked.url),
        }
        for event, hear in heard.items():
            listened: Any = page  # whose type asks for the name of each event
            listened.on(event, hear)
            used.append(partial(page.remove_listener, event, hear))
        used.append(partial(page.emulate_media, media="null"))
        page.mouse.move(0, 0)
        page.set_viewport_size(viewport)
        page.goto((folder / f"{name}.html").as_uri())
        return found

    yield open_page
    for leave in used:
        leave()
