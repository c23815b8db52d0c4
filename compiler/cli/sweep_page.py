"""What `stagecut sweep` found as one page that needs no network: the drawing, and its tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from stagecut.compiler.cli.sweep_drawing import Drawing, svg
from stagecut.compiler.cli.sweep_map_output import letter
from stagecut.compiler.cli.sweep_output import on_it, placed, proved, spec, verdict
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.report import wording
from stagecut.passes.sweep.catalogue import Choice, front
from stagecut.passes.sweep.speed_map import SpeedMap
from stagecut.passes.sweep.sweep import Breakpoint, Curve
from stagecut.passes.sweep.tornado import Tornado

#: A page of this many inches across, and one for telephones.
_WIDE, _NARROW = 10.0, 3.9

_STYLE = """
.paper { background: #ffffff; border-radius: 6px; }
.paper svg { display: block; width: 100%; height: auto; }
.narrow { display: none; }
td.number { padding-right: 18px; }
@media (max-width: 600px) {
  .wide { display: none; } .narrow { display: block; }
  td.number { padding-right: 10px; } td.text { min-width: 0; }
}
"""


@dataclass(frozen=True, slots=True)
class Table:
    """The last column holds text, the others numbers or short names."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Page:
    """`lead` are the sentences that answer; `drawn` says what the drawing shows."""

    title: str
    lead: tuple[str, ...]
    drawn: str
    drawing: Drawing
    tables: tuple[Table, ...]

    def __str__(self) -> str:
        """The same bytes for the same page."""
        import jinja2

        environment = jinja2.Environment(
            autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
        )
        text = files("stagecut.compiler.cli").joinpath("sweep.html.j2").read_text("utf-8")
        report = files("stagecut.compiler.report.page").joinpath("page.css").read_text("utf-8")
        return environment.from_string(text).render(
            title=self.title,
            lead=self.lead,
            drawn=self.drawn,
            style=report + _STYLE,
            wide=svg(self.drawing, _WIDE),
            narrow=svg(self.drawing, _NARROW),
            tables=self.tables,
        )


def curves_page(
    title: str, curves: Sequence[Curve], weighed: Tornado | None, drawing: Drawing
) -> Page:
    lead = tuple(f"{curve.part}: {'; '.join(verdict(curve))}." for curve in curves)
    shown = "The" if weighed is None else "What each part weighs, and the"
    drawn = f"{shown} least total by speed; a number for each change of the best schedule"
    return Page(title, lead, drawn, drawing, tuple(map(_changes, curves)))


def _changes(curve: Curve) -> Table:
    text = curve.objective.text
    first, last = curve.stretches[0], curve.stretches[-1]
    rows = [("", f"{curve.low:.4g}", text(first.total(curve.low)), placed(first.solution))]
    for number, point in enumerate(curve.breakpoints, start=1):
        rows.append((str(number), f"{point.at:.4g}", text(point.total), _moved(point)))
    rows.append(("", f"{curve.high:.4g}", text(last.total(curve.high)), placed(last.solution)))
    solved = proved(curve.solves, curve.gap)
    return Table(f"{curve.part} ({solved})", ("", "speed", "total", "what changes"), tuple(rows))


def _moved(point: Breakpoint) -> str:
    """Nodes that move the same way stand together."""
    ways: dict[tuple[str, str], list[str]] = {}
    for move in point.moved:
        ways.setdefault((move.before, move.after), []).append(move.node)
    said = [f"{before} → {after}: {', '.join(nodes)}" for (before, after), nodes in ways.items()]
    return "; ".join(said) or "other transfers, or another order"


def choices_page(
    title: str,
    choices: Sequence[Choice],
    specs: Mapping[str, str],
    objective: Objective,
    drawing: Drawing,
) -> Page:
    matter = front(choices)
    named = [spec(choice, specs) or "none of them" for choice in choices if choice.device in matter]
    lead = "" if choices[0].price is None else f"Nothing is better for no more: {', '.join(named)}."
    rows = tuple(tuple(_cells(choice, specs, objective)) for choice in choices)
    table = Table("Devices", ("device", "price", "total", "nodes on it"), rows)
    return Page(title, (lead,) if lead else (), "The least total with each", drawing, (table,))


def _cells(choice: Choice, specs: Mapping[str, str], objective: Objective) -> Iterator[str]:
    yield spec(choice, specs) or "without"
    yield "" if choice.price is None else f"{choice.price:g}"
    if choice.solution is None:
        yield f"at least {objective.text(choice.bound)}"
        yield "skipped: something costs no more, and takes no longer"
        return
    yield objective.text(choice.solution.certificate.total)
    yield f"{on_it(choice)} of {len(choice.solution.assignment.devices)}"


def map_page(title: str, found: SpeedMap, drawing: Drawing) -> Page:
    first, second = (sweep.scale.part for sweep in found.sweeps)
    regions = wording.count(len(found.regions), "region")
    lead = f"{regions}, found by {proved(found.solves, found.gap)}."
    rows = tuple(
        (letter(index), placed(region.plane.answer)) for index, region in enumerate(found.regions)
    )
    drawn = f"Which schedule is the best, by the speeds of {first} and of {second}"
    return Page(title, (lead,), drawn, drawing, (Table("Regions", ("", "what runs where"), rows),))
