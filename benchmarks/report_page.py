"""How large the report's page is, how soon it is seen, and how smoothly its graph moves.

    python -m benchmarks.report_page [PLAN]

In this machine's Chromium, drawn by the CPU alone: the page of a plan of 2,000 nodes (the sample of
the tests), or of PLAN. First paint counts from the beginning of the navigation; panning is two
seconds of moving about with every stage open, a step for each frame.
"""

import argparse
import statistics
import tempfile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.support import describe_machine
from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.formats.plan_file import Plan
from stagecut.compiler.ir.units import seconds, size
from stagecut.compiler.report.model.build import build_report
from stagecut.compiler.report.model.content import Report
from stagecut.compiler.report.page.html import to_html
from tests.support.browser import chromium
from tests.support.planned import report_of
from tests.support.planned_variants import large

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_FIRST_PAINT = """() => new Promise((resolve) => new PerformanceObserver((list) => resolve(
    list.getEntriesByName("first-contentful-paint")[0].startTime / 1000
)).observe({ type: "paint", buffered: true }))"""

_READY = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd / 1000"

#: The time between frames, in seconds.
_PANNING = """() => new Promise((resolve) => {
    const view = document.querySelector(".view");
    view.scrollTo(0, 0);
    const times = [];
    const step = (now) => {
        times.push(now / 1000);
        if (now / 1000 - times[0] > 2) return resolve(times.slice(1).map((t, i) => t - times[i]));
        view.scrollBy(Math.round(8 * Math.sin(times.length / 20)), 25);
        requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
})"""

_OPENING = """() => new Promise((resolve) => {
    const start = performance.now();
    document.getElementById("graph-open").click();
    requestAnimationFrame(() => setTimeout(() => resolve((performance.now() - start) / 1000)));
})"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("plan", nargs="?", help="a plan file")
    plan = parser.parse_args().plan
    report = _sample() if plan is None else _report(plan)
    print(describe_machine())
    start_s = perf_counter()
    page = to_html(report)
    written_s = perf_counter() - start_s
    print(f"{report.summary.model}: {report.summary.nodes:,} nodes, {report.summary.stages} stages")
    print(f"page          {size(len(page.encode()))}, written in {seconds(written_s)}")
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        path = Path(folder) / "page.html"
        path.write_text(page, "utf-8")
        _visit(browser, path.as_uri())


def _sample() -> Report:
    return report_of(large())


def _report(plan: str) -> Report:
    loaded = Plan.load(plan).first
    return build_report(loaded.planned, read_costs(loaded.costs))


def _visit(browser: "Browser", address: str, visits: int = 5) -> None:
    paints_s, readies_s = [], []
    for _ in range(visits):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(address)
        paints_s.append(page.evaluate(_FIRST_PAINT))
        readies_s.append(page.evaluate(_READY))
        if len(paints_s) < visits:
            page.close()
    print(f"first paint   {_median(paints_s)}")
    print(f"ready         {_median(readies_s)}")
    print(f"all opened    {seconds(page.evaluate(_OPENING))}")
    frames_s = page.evaluate(_PANNING)
    late = statistics.quantiles(frames_s, n=20)[-1]
    print(
        f"panning       {1 / statistics.fmean(frames_s):.0f} frames a second, "
        f"19 of 20 within {seconds(late)}"
    )


def _median(times_s: list[float]) -> str:
    return f"{seconds(statistics.median(times_s))} (median of {len(times_s)} visits)"


if __name__ == "__main__":
    main()
