"""Which blocks of a graph are drawn once."""

from dataclasses import replace

import pytest

from stagecut.compiler.report.model.content import Report
from stagecut.compiler.report.page.folds import Fold, folds
from tests.support.planned import gate_report_of
from tests.support.planned_variants import large, mixed


@pytest.fixture(scope="module")
def layers() -> Report:
    """Four layers of 12 nodes and 2 of a fifth; the last node of a layer shares a stage with the
    first one of the next, so that blocks begin with the second."""
    return gate_report_of(large(50))


def test_layers_of_a_network(layers: Report) -> None:
    assert folds(layers) == (Fold(1, 12, 4, 4),)


def test_of_what_a_fold_speaks() -> None:
    fold = Fold(first=1, period=12, copies=3, stages=3)
    assert (fold.end, fold.hidden, [*fold.members(2)]) == (37, 24, [2, 14, 26])


def test_a_small_graph_is_seen_as_a_whole() -> None:
    assert folds(gate_report_of(mixed())) == ()
    assert folds(gate_report_of(large(30))) == ()


def _with(report: Report, node: int, **changes: object) -> Report:
    nodes = list(report.nodes)
    nodes[node] = replace(nodes[node], **changes)  # type: ignore[arg-type]
    return replace(report, nodes=tuple(nodes))


def test_a_layer_that_differs_stands_between_two_folds(layers: Report) -> None:
    """Node 27 is in the third of four layers: the first two are alike still."""
    assert folds(_with(layers, 27, op="Other")) == (Fold(1, 12, 2, 4),)


def test_a_layer_elsewhere_is_another_one(layers: Report) -> None:
    assert folds(_with(layers, 27, device="cpu.serial")) == (Fold(1, 12, 2, 4),)


def test_a_layer_that_reads_something_else_is_another_one(layers: Report) -> None:
    third = layers.nodes[26]
    assert len(third.inputs) > 0
    changed = _with(layers, 26, inputs=(layers.nodes[2].outputs[0], *third.inputs[1:]))
    assert folds(changed) == (Fold(1, 12, 2, 4),)


def test_stages_must_follow_each_other_alike(layers: Report) -> None:
    assert folds(_with(layers, 30, stage=layers.nodes[30].stage + 1)) == ()


def test_a_stage_that_holds_something_else_is_not_drawn_once(layers: Report) -> None:
    """Node 49, after all layers, is in a stage of the second one: what follows is folded still."""
    stage = layers.nodes[13].stage
    [fold] = folds(_with(layers, 49, stage=stage))
    assert fold == Fold(18, 12, 2, 4)
    assert stage not in {layers.nodes[at].stage for at in range(fold.first, fold.end)}


def test_layers_within_one_stage() -> None:
    report = gate_report_of(large(50))
    nodes = tuple(replace(node, stage=0, device="cpu.serial") for node in report.nodes)
    assert folds(replace(report, nodes=nodes)) == (Fold(0, 12, 4, 0),)
