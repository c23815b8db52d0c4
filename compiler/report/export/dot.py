"""Report -> Graphviz: nodes coloured by device, stages as boxes around them, transfers dashed.

`dot -Tsvg plan.dot > plan.svg` draws it.
"""

from collections.abc import Iterator

from stagecut.compiler.report import wording
from stagecut.compiler.report.model.content import Report
from stagecut.compiler.report.model.edges import Edge, edges
from stagecut.compiler.report.model.rows import NodeRow, StageRow

#: Okabe and Ito's colours, paled: distinguishable to all, and black text can be read on them.
_FILLS = ("#b3d9f2", "#f7d3b0", "#b3e0d3", "#efcfe2", "#f4efb5", "#c9d3f5", "#e3d3c1", "#dadfe3")


def to_dot(report: Report) -> str:
    """The graph of all nodes in Graphviz's language."""
    return "\n".join((f"digraph {_quoted(report.summary.model)} {{", *_body(report), "}")) + "\n"


def _body(report: Report) -> Iterator[str]:
    yield '  graph [fontname="Helvetica", fontsize=11, ranksep=0.4]'
    yield '  node [fontname="Helvetica", fontsize=10, shape=box, style="rounded,filled"]'
    yield '  edge [fontname="Helvetica", fontsize=9, color="#55606b"]'
    for index, port in enumerate(report.inputs):
        yield f"  in{index} [label={_quoted(port.name)}, shape=plaintext, style=solid]"
    for index, port in enumerate(report.outputs):
        yield f"  out{index} [label={_quoted(port.name)}, shape=plaintext, style=solid]"
    place = {node.name: index for index, node in enumerate(report.nodes)}
    for stage in report.stages:
        yield from _stage(stage, report, place)
    inputs = {port.name: f"in{index}" for index, port in enumerate(report.inputs)}
    outputs = {port.name: f"out{index}" for index, port in enumerate(report.outputs)}
    for edge in edges(report):
        source = inputs.get(edge.value) if edge.source is None else f"n{edge.source}"
        target = outputs[edge.value] if edge.target is None else f"n{edge.target}"
        if source is not None:
            yield f"  {source} -> {target}{_transferred(edge)}"


def _stage(stage: StageRow, report: Report, place: dict[str, int]) -> Iterator[str]:
    devices = [device.name for device in report.devices]
    fill = _FILLS[devices.index(stage.device) % len(_FILLS)]
    label = f"stage {stage.index} on {stage.device}, {wording.time(stage.predicted)}"
    yield f"  subgraph cluster_{stage.index} {{"
    yield f'    label={_quoted(label)} labeljust=l color="#b3bcc5" style=rounded'
    for name in stage.nodes:
        yield f'    n{place[name]} [label={_label(report.nodes[place[name]])}, fillcolor="{fill}"]'
    yield "  }"


def _label(node: NodeRow) -> str:
    lines = (node.name, node.op, wording.time(node.run))
    return '"' + "\\n".join(_quoted(line)[1:-1] for line in lines) + '"'


def _transferred(edge: Edge) -> str:
    way = wording.way(edge.transfers)
    return f" [label={_quoted(way)}, style=dashed]" if way else ""


def _quoted(text: str) -> str:
    """A string of Graphviz's language, in which backslashes and `&` have a meaning of their own."""
    plain = wording.shorten(text, 60)
    return '"' + plain.replace("\\", "\\\\").replace("&", "&amp;").replace('"', '\\"') + '"'
