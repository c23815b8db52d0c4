"""Report -> one self-contained page: no network, no foreign code, the same bytes every time.

The page's own Content-Security-Policy forbids everything but its style sheet and its scripts,
which it names by their hashes: even a name that slipped through the escaping could do nothing.
"""

import base64
import hashlib
import re
from importlib.resources import files

import jinja2
from markupsafe import Markup

from stagecut.compiler.ir.units import seconds, size
from stagecut.compiler.report import headline, precision_wording, stream_wording, wording
from stagecut.compiler.report.model.content import Report
from stagecut.compiler.report.model.figures import Figure
from stagecut.compiler.report.page.charts import (
    contender_bars,
    energy_bars,
    operator_bars,
    scatter,
    share_bars,
    whiskers,
)
from stagecut.compiler.report.page.errors import errors
from stagecut.compiler.report.page.front import front
from stagecut.compiler.report.page.graph import graph_json
from stagecut.compiler.report.page.marks import Styles
from stagecut.compiler.report.page.roofline import roofline
from stagecut.compiler.report.page.timeline import timeline

#: Operators that get bars; the table has them all.
_OPERATORS = 12

#: So many characters of a name fit into the narrowest column.
_NARROW = 18

#: The parts of the graph's script, in order.
_GRAPH = ("graph_layout.js", "graph_drawing.js", "graph_choosing.js")


def to_html(report: Report) -> str:
    """The whole page as text, to be written as UTF-8."""
    template = _environment().get_template("page.html.j2")
    return template.render(
        report=report,
        style=_read("page.css") + _read("graph.css"),
        scripts=_scripts(report),
        graph=graph_json(report),
        styles=Styles(report),
        timeline=timeline(report),
        shares=share_bars(report),
        energy=energy_bars(report),
        operators=operator_bars(report, report.operators[:_OPERATORS]),
        whiskers=whiskers(report),
        contenders=contender_bars(report),
        scatter=scatter(report),
        roofline=roofline(report),
        streams=front(report),
        trades=errors(report),
        reasons=_reasons(report),
        premise=wording.premise(option for node in report.nodes for option in node.options),
    )


def _scripts(report: Report) -> list[str]:
    """What the page runs: the layout library and the graph only where there is one."""
    if not report.nodes:
        return [_script("page.js")]
    return [_read("vendor/d3-dag.iife.min.js"), _script("page.js"), _script(*_GRAPH)]


def _script(*names: str) -> str:
    """Scripts without indentation and lines of comment: pages are small."""
    return "".join(re.sub(r"(?m)^\s*(//.*\n)?", "", _read(name)) for name in names)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_read),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        headline=headline,
        precision_wording=precision_wording,
        stream_wording=stream_wording,
        wording=wording,
        Figure=Figure,
        seconds=seconds,
    )
    environment.filters.update(
        time=wording.time,
        percent=wording.percent,
        digest=_digest,
        size=size,
        joules=wording.joules,
        name=lambda text: wording.shorten(text, 80),
        parts=_parts,
        at=lambda number: f"{number:.3f}%",
    )
    return environment


def _parts(text: str) -> Markup:
    """A name that is longer than a column may be narrow breaks where its parts end."""
    shown = wording.shorten(text, 80)
    if len(shown) <= _NARROW:
        return Markup.escape(shown)
    return Markup("<wbr>").join(re.findall(r"[^_/.:+]*[_/.:+]|[^_/.:+]+$", shown))


def _reasons(report: Report) -> dict[str, int]:
    """Every reason for a refusal, numbered from 1, so that each is written out once."""
    refused = (option for node in report.nodes for option in node.options if option.reason)
    reasons = dict.fromkeys(option.reason for option in refused)
    return {reason: number for number, reason in enumerate(reasons, start=1)}


def _read(name: str) -> str:
    return files("stagecut.compiler.report.page").joinpath(name).read_text("utf-8")


def _digest(content: str) -> str:
    """What a Content-Security-Policy calls an inline element with this content."""
    digest = hashlib.sha256(content.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
