"""Report -> what the page's script needs to draw the graph, as JSON.

    {"stages": [{"style": "d1", "title": "stage 1 on cpu.parallel", "text": "5 nodes, 601 µs",
                "time": "601 µs"}],
     "nodes":  [[stage, "name", "operator, time"], ...]      in the order of the node table
     "inputs": ["tokens"], "outputs": ["head"],
     "edges":  [[source, target, "value", "transfer"], ...]}

A source below 0 is input -1 - source, a target below 0 output -1 - target; "transfer" is empty
where the value stays in its memory. Names are cut to the width of a box; the table has them whole.
"""

import json

from stagecut.compiler.report import wording
from stagecut.compiler.report.model.content import Report
from stagecut.compiler.report.model.edges import Edge, edges
from stagecut.compiler.report.model.rows import StageRow
from stagecut.compiler.report.page.marks import Styles

_NAME, _DETAIL = 22, 26


def graph_json(report: Report) -> str:
    """The graph, written so that it can stand inside a `<script>` element."""
    styles = Styles(report)
    inputs = {port.name: -1 - index for index, port in enumerate(report.inputs)}
    outputs = {port.name: -1 - index for index, port in enumerate(report.outputs)}
    graph = {
        "stages": [
            {
                "style": styles.device(stage.device),
                "title": wording.shorten(f"stage {stage.index} on {stage.device}", _DETAIL),
                "text": f"{_nodes(stage)}, {wording.time(stage.predicted)}",
                "time": wording.time(stage.predicted),
            }
            for stage in report.stages
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
    }
    return json.dumps(graph, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")


def _nodes(stage: StageRow) -> str:
    return wording.count(len(stage.nodes), "node")


def _edge(edge: Edge, inputs: dict[str, int], outputs: dict[str, int]) -> list[int | str]:
    source = inputs[edge.value] if edge.source is None else edge.source
    target = outputs[edge.value] if edge.target is None else edge.target
    return [source, target, wording.shorten(edge.value, _NAME), _way(edge)]


def _way(edge: Edge) -> str:
    return wording.shorten(wording.way(edge.transfers), _DETAIL)
