"""The documentation as a site: it builds, fetches nothing, and is searched from a folder, too."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.repository import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Links, anchors and the navigation are checked; nothing is fetched."""
    pytest.importorskip("mkdocs", reason="MkDocs comes with the docs extra")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_command_and_every_error_has_its_place(site: Path) -> None:
    commands = (site / "cli.html").read_text("utf-8")
    assert all(f"stagecut {name}" in commands for name in ("compile", "run", "partition", "diff"))
    assert "CostTableError" in (site / "errors.html").read_text("utf-8")


def test_nothing_is_fetched(site: Path) -> None:
    pages = [path.read_text("utf-8") for path in site.rglob("*.html")]
    assert len(pages) > 20
    assert not any('src="http' in page or 'rel="stylesheet" href="http' in page for page in pages)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("compile_model", "Decide where each part of"),
        ("Session", "Runs a plan. Safe to use from several threads"),
        ("Partition", "how long HiGHS may search"),
        ("CostTable", "The table of a directed graph."),
        ("CostTable", "CostTable.to_frame"),
        ("Certificate", "Certificate.of"),
    ],
)
def test_the_interface_from_python_is_told(site: Path, name: str, says: str) -> None:
    page = (site / "python.html").read_text("utf-8")
    assert f'id="{name.lower()}"' in page
    assert says in page.replace("<code>", "").replace('<span class="n">', "").replace(
        '</span><span class="o">.</span>', "."
    )


def test_the_home_page_shows_the_report(site: Path) -> None:
    assert "images/report-summary.png" in (site / "index.html").read_text("utf-8")
    assert (site / "images" / "report-summary.png").is_file()


@pytest.mark.parametrize("page", ["index.html", "decisions/0005-graph-layout.html"])
def test_it_is_searched_from_a_folder(site: Path, browser: "Browser", page: str) -> None:
    view = browser.new_page()
    complaints: list[str] = []
    view.on("console", lambda message: complaints.append(message.text))
    view.on("pageerror", lambda error: complaints.append(str(error)))
    view.goto((site / page).as_uri())
    view.click(".md-search__input")
    view.locator(".md-search__input").press_sequentially("variable elimination")
    first = view.locator(".md-search-result__link").first
    first.wait_for(state="attached")
    assert "elimination" in (first.get_attribute("href") or "")
    assert complaints == []
