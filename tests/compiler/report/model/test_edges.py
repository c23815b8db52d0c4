"""Who hands what to whom."""

from stagecut.compiler.report.model.build import build_report
from stagecut.compiler.report.model.edges import edges
from tests.support.manifests import large, mixed, one_node
from tests.support.planned import Sample


def drawn(sample: Sample) -> list[str]:
    """`value: from -> to`, with the route where the value is copied on the way."""
    report = build_report(sample.manifest, sample.table)
    name = [node.name for node in report.nodes]
    lines = []
    for edge in edges(report):
        source = "in" if edge.source is None else name[edge.source]
        target = "out" if edge.target is None else name[edge.target]
        copied = f" by {edge.copy.source}>{edge.copy.target}" if edge.copy else ""
        lines.append(f"{edge.value}: {source} -> {target}{copied}")
    return lines


def test_the_edges_of_a_block() -> None:
    assert drawn(mixed()) == [
        "tokens: in -> embed",
        "embed: embed -> qkv",
        "qkv: qkv -> attention",
        "mask: in -> attention",
        "attention: attention -> project",
        "project: project -> add1",
        "embed: embed -> add1",
        "add1: add1 -> norm1",
        "norm1: norm1 -> up by host>pim.hbm",
        "up: up -> relu",
        "relu: relu -> down",
        "down: down -> add2 by pim.hbm>host",
        "norm1: norm1 -> add2",
        "add2: add2 -> norm2",
        "norm2: norm2 -> head",
        "head: head -> out",
    ]


def test_the_edges_of_one_node() -> None:
    assert drawn(one_node()) == ["x: in -> only", "only: only -> out"]


def test_an_output_is_copied_to_where_it_must_end() -> None:
    assert drawn(large(9))[-1] == "/layer.0/down: /layer.0/down -> out by pim.hbm>host"
