"""What `stagecut sweep` found, in every form: lines, JSON, CSV, and drawn."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stagecut.compiler.cli import by_length_output as by_length
from stagecut.compiler.cli import sweep_drawing as draws
from stagecut.compiler.cli import sweep_map_output as maps
from stagecut.compiler.cli import sweep_output as says
from stagecut.compiler.cli import sweep_page as pages
from stagecut.compiler.cli.sweep_page import Page
from stagecut.compiler.formats.atomic import replacing
from stagecut.compiler.ir.costs_by_length import CostsByLength
from stagecut.compiler.ir.objective import Objective
from stagecut.passes.sweep.catalogue import Choice
from stagecut.passes.sweep.lengths import LengthCurve
from stagecut.passes.sweep.speed_map import SpeedMap
from stagecut.passes.sweep.sweep import Curve
from stagecut.passes.sweep.tornado import tornado


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, in every form in which it can be had; `rows` are the CSV, and `page` makes
    what is drawn, where anything is."""

    document: Mapping[str, object]
    lines: Iterable[str]
    rows: str
    page: Callable[[], Page] | None = None

    def write(self, csv: Path | None, png: Path | None, html: Path | None) -> None:
        _write(csv, self.rows.encode)
        if self.page is not None and (png or html):
            page = self.page()
            _write(png, lambda: draws.png(page.drawing))
            _write(html, lambda: str(page).encode())


def of_lengths(curve: LengthCurve, steps: CostsByLength) -> Answer:
    document, lines = by_length.curve_document(curve, steps), by_length.curve_lines(curve, steps)
    return Answer(document, lines, by_length.curve_csv(curve))


def of_curves(title: str, curves: Sequence[Curve]) -> Answer:
    weighed = tornado(curves)
    return Answer(
        says.curves_document(curves, weighed),
        says.curves_lines(curves, weighed),
        says.curves_csv(curves),
        lambda: pages.curves_page(title, curves, weighed, draws.curves_drawing(curves, weighed)),
    )


def of_map(title: str, found: SpeedMap) -> Answer:
    return Answer(
        maps.map_document(found),
        maps.map_lines(found),
        maps.map_csv(found),
        lambda: pages.map_page(title, found, draws.map_drawing(found)),
    )


def of_choices(
    title: str, choices: Sequence[Choice], specs: Mapping[str, str], goal: Objective
) -> Answer:
    def page() -> Page:
        names = {choice.device: says.spec(choice, specs) or "without" for choice in choices}
        drawing = draws.choices_drawing(choices, names, goal)
        return pages.choices_page(title, choices, specs, goal, drawing)

    return Answer(
        says.choices_document(choices, specs, goal),
        says.choices_lines(choices, specs, goal),
        says.choices_csv(choices, specs),
        page,
    )


def _write(path: Path | None, content: Callable[[], bytes]) -> None:
    if path is not None:
        with replacing(path) as temporary:
            temporary.write_bytes(content())
