"""Who hands what to whom, and by which transfers."""

from dataclasses import replace

from stagecut.compiler.ir.costs import Endpoint
from stagecut.compiler.report.model.build import build_report
from stagecut.compiler.report.model.edges import edges
from tests.support.planned import Sample, gate_report_of
from tests.support.planned_variants import large, mixed, one_node, relayed, two_ends


def drawn(sample: Sample) -> list[str]:
    """`value: from -> to`, with the routes along which the value is transferred on the way."""
    report = gate_report_of(sample)
    name = [node.name for node in report.nodes]
    lines = []
    for edge in edges(report):
        source = "in" if edge.source is None else name[edge.source]
        target = "out" if edge.target is None else name[edge.target]
        way = ", ".join(f"{row.source}>{row.target}" for row in edge.transfers)
        lines.append(f"{edge.value}: {source} -> {target}" + (f" by {way}" if way else ""))
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


def test_an_edge_has_all_hops_of_its_way() -> None:
    assert drawn(relayed()) == [
        "x: in -> first",
        "first: first -> near by host>a",
        "first: first -> far by host>a, a>b",
        "near: near -> last by a>host",
        "far: far -> last by b>a, a>host",
        "last: last -> out",
    ]


def test_an_output_is_transferred_to_where_it_must_end() -> None:
    assert drawn(large(9))[-1] == "/layer.0/down: /layer.0/down -> out by pim.hbm>host"


def test_an_output_may_have_to_end_in_two_memories() -> None:
    assert drawn(two_ends())[-2:] == ["head: head -> out", "head: head -> out by host>pim.hbm"]


def test_an_output_of_which_nothing_is_asked_ends_in_the_host() -> None:
    sample = mixed()
    report = build_report(sample.planned, replace(sample.table, outputs=()))
    assert [edge.value for edge in edges(report) if edge.target is None] == ["head"]
    assert report.ends == ()
    assert gate_report_of(sample).ends == (Endpoint("head", "host"),)
