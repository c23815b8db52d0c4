"""Report -> what the page's script needs to draw the graph, as JSON.

    {"stages": [{"style": "d1", "title": "stage 1 on cpu.parallel", "nodes": "5 nodes",
                "time": "601 µs"}],
     "nodes":  [[stage, "name", "operator, time"], ...]      in the order of the node table
     "inputs": ["tokens"], "outputs": ["head"],
     "edges":  [[source, target, "value", "transfer"], ...],
     "folds":  [{"first": 1, "period": 12, "copies": 6, "details": ["operator, time of all", ...],
                "stages": {"1": {"title": "stage 1 on cpu ×6", "nodes": ..., "time": ...}}}]}

What a fold says of nodes and stages is about all copies of its block (folds.py). A source below 0
is input -1 - source, a target below 0 output -1 - target; "transfer" is empty where the value stays
in its memory. Names are cut to the width of a box; the table has them whole.
"""

import json

from stagecut.compiler.report import wording
from stagecut.compiler.report.model.content import Report
from stagecut.compiler.report.model.edges import Edge, edges
from stagecut.compiler.report.model.figures import Figure
from stagecut.compiler.report.page.folds import Fold, folds
from stagecut.compiler.report.page.marks import Styles

_NAME, _DETAIL = 22, 26


def graph_json(report: Report) -> str:
    """The graph, written so that it can stand inside a `<script>` element."""
    styles = Styles(report)
    inputs = {port.name: -1 - index for index, port in enumerate(report.inputs)}
    outputs = {port.name: -1 - index for index, port in enumerate(report.outputs)}
    graph = {
        "stages": [
            {"style": styles.device(stage.device)} | _stage(report, range(at, at + 1))
            for at, stage in enumerate(report.stages)
        ],
        "nodes": [
            [
                node.stage,
                wording.shorten(node.name, _NAME),
                wording.shorten(f"{node.op}, {wording.time(node.run)}", _DETAIL),
            ]
            for node in report.nodes
        ],
        "inputs": [wording.shorten(port.name, _NAME) for port in report.inputs],
        "outputs": [wording.shorten(port.name, _NAME) for port in report.outputs],
        "edges": [
            _edge(edge, inputs, outputs)
            for edge in edges(report)
            if edge.source is not None or edge.value in inputs
        ],
        "folds": [_fold(report, fold) for fold in folds(report)],
    }
    return json.dumps(graph, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")


def _stage(report: Report, copies: range) -> dict[str, str]:
    """What a box says of the first of these stages, and of what all of them take."""
    stage = report.stages[copies.start]
    times = wording.time(Figure.total(report.stages[at].predicted for at in copies))
    nodes = wording.count(len(stage.nodes), "node")
    which = f"stage {stage.index} on "
    device = wording.shorten(stage.device, _DETAIL - len(which))
    return {
        "title": f"{which}{device}{_times(len(copies))}",
        "nodes": nodes,
        "time": times,
    }


def _fold(report: Report, fold: Fold) -> dict[str, object]:
    block = range(fold.first, fold.first + fold.period)
    return {
        "first": fold.first,
        "period": fold.period,
        "copies": fold.copies,
        "details": [_detail(report, fold.members(node)) for node in block],
        "stages": {
            str(stage): _stage(report, range(stage, stage + fold.stages * fold.copies, fold.stages))
            for stage in dict.fromkeys(report.nodes[at].stage for at in block)
            if fold.stages
        },
    }


def _detail(report: Report, copies: range) -> str:
    times = wording.time(Figure.total(report.nodes[at].run for at in copies))
    one = wording.shorten(f"{report.nodes[copies.start].op}, {times}", _DETAIL - 5)
    return f"{one}{_times(len(copies))}"


def _times(copies: int) -> str:
    return "" if copies == 1 else f" ×{copies}"


def _edge(edge: Edge, inputs: dict[str, int], outputs: dict[str, int]) -> list[int | str]:
    source = inputs[edge.value] if edge.source is None else edge.source
    target = outputs[edge.value] if edge.target is None else edge.target
    return [source, target, wording.shorten(edge.value, _NAME), _way(edge)]


def _way(edge: Edge) -> str:
    return wording.shorten(wording.way(edge.transfers), _DETAIL)
