"""Two plans compared: what moved, what it did, and when that counts."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from stagecut.compiler.ir.plan import Manifest
from stagecut.compiler.report.export.json import difference_json
from stagecut.compiler.report.model.difference import AmountChange, Difference, Move, compare
from stagecut.compiler.report.terminal.difference import print_difference
from tests.support.golden import assert_golden
from tests.support.manifests import BLOCK, CPU_AND_PIM, INPUTS, PROVENANCE, hostile, mixed
from tests.support.planned import US, planned


def without_pim() -> Manifest:
    """The mixed plan with everything that ran on the PIM moved to cpu.parallel."""
    rows = [replace(row, device=row.device.replace("pim.hbm", "cpu.parallel")) for row in BLOCK]
    return planned("block", rows, CPU_AND_PIM, PROVENANCE, inputs=INPUTS, output="head").manifest


def slower(manifest: Manifest, factor: float) -> Manifest:
    return replace(manifest, predicted_s=factor * manifest.predicted_s)


def recompiled() -> Manifest:
    """The mixed plan, decided alike by another version that took it to be 10 % slower."""
    other = replace(PROVENANCE, stagecut="0.2.0", options={"objective": "energy"})
    return replace(slower(mixed().manifest, 1.1), provenance=other)


def amount(difference: Difference, what: str) -> AmountChange:
    return next(change for change in difference.amounts if change.what == what)


def text_of(difference: Difference, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_difference(difference, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_plan_does_not_differ_from_itself() -> None:
    difference = compare(mixed().manifest, mixed().manifest)
    assert not difference.decided_otherwise
    assert not difference.differs(tolerance=0.0)
    assert (difference.moves, difference.made_from) == ((), {})


def test_what_moved_and_what_it_did() -> None:
    difference = compare(mixed().manifest, without_pim())
    assert difference.moves == (
        Move("up", "MatMul", "pim.hbm", "cpu.parallel"),
        Move("relu", "Relu", "pim.hbm", "cpu.parallel"),
        Move("down", "MatMul", "pim.hbm", "cpu.parallel"),
    )
    assert difference.copies_gone == ("norm1: host>pim.hbm", "down: pim.hbm>host")
    assert difference.copies_new == ()
    assert amount(difference, "stages") == AmountChange("stages", 5, 3, "")
    assert amount(difference, "copied") == AmountChange("copied", 2 * 65536, 0, "bytes")
    assert amount(difference, "weights in pim.hbm").after == 0
    assert amount(difference, "weights in host").after == 12 * 2**20
    assert [change.what for change in difference.times] == [
        "the whole plan",
        "all copies",
        "cpu.serial",
        "cpu.parallel",
        "pim.hbm",
    ]
    assert [change.before.basis for change in difference.times] == [
        "modelled",
        "modelled",
        "measured",
        "measured",
        "modelled",
    ]
    assert difference.times[4].before.time_s == pytest.approx(332 * US)
    assert difference.times[4].after.time_s == 0


def test_there_and_back_is_no_change() -> None:
    forth, back = compare(mixed().manifest, without_pim()), compare(without_pim(), mixed().manifest)
    assert forth.copies_gone == back.copies_new
    assert [(move.before, move.after) for move in forth.moves] == [
        (move.after, move.before) for move in back.moves
    ]


def test_nodes_of_one_plan_alone() -> None:
    fewer = planned(
        "block", BLOCK[:-1], CPU_AND_PIM, PROVENANCE, inputs=INPUTS, output="norm2"
    ).manifest
    assert Move("head", "MatMul", "cpu.serial", None) in compare(mixed().manifest, fewer).moves
    assert Move("head", "MatMul", None, "cpu.serial") in compare(fewer, mixed().manifest).moves


def test_nodes_that_were_merged_otherwise_are_compared_by_their_operators() -> None:
    """`up` and `relu` in one node, which runs where both have run: nothing moved."""
    apart = mixed().manifest
    up, relu = (next(node for node in apart.nodes if node.name == name) for name in ("up", "relu"))
    merged = replace(up, operators=(*up.operators, *relu.operators))
    nodes = tuple(merged if node is up else node for node in apart.nodes if node is not relu)
    together = replace(apart, nodes=nodes)
    assert compare(apart, together).moves == compare(together, apart).moves == ()
    divided = tuple(replace(n, device="cpu.serial") if n is relu else n for n in apart.nodes)
    (move,) = compare(together, replace(apart, nodes=divided)).moves
    assert move == Move("up", "MatMul", "pim.hbm", "pim.hbm + cpu.serial")


def test_what_the_plans_were_made_from() -> None:
    other = replace(PROVENANCE, threads=4, options={"objective": "energy"})
    difference = compare(mixed().manifest, replace(mixed().manifest, provenance=other))
    assert difference.made_from == {
        "processor": ("Example CPU at 3 GHz, 2 threads", "Example CPU at 3 GHz, 4 threads"),
        "option objective": ("latency", "energy"),
    }


TOLERANCES = {
    "as fast, nothing allowed": (1.0, 0.0, False),
    "a little slower, nothing allowed": (1.01, 0.0, True),
    "within the tolerance": (1.04, 0.05, False),
    "faster by more than the tolerance": (0.9, 0.05, True),
}


@pytest.mark.parametrize(
    ("factor", "tolerance", "differs"), TOLERANCES.values(), ids=TOLERANCES.keys()
)
def test_time_counts_beyond_the_tolerance(factor: float, tolerance: float, differs: bool) -> None:
    manifest = mixed().manifest
    assert compare(manifest, slower(manifest, factor)).differs(tolerance) == differs


def test_a_node_that_moved_counts_whatever_the_tolerance() -> None:
    assert compare(mixed().manifest, without_pim()).differs(tolerance=100.0)


GOLDEN = {
    "plans that decide otherwise": ("diff-moved.txt", mixed().manifest, without_pim()),
    "plans that decide alike": ("diff-alike.txt", mixed().manifest, recompiled()),
}


@pytest.mark.parametrize(("name", "before", "after"), GOLDEN.values(), ids=GOLDEN.keys())
def test_golden(name: str, before: Manifest, after: Manifest, tmp_path: Path) -> None:
    assert_golden(name, text_of(compare(before, after)), tmp_path)


@pytest.mark.parametrize("width", [30, 60, 120])
def test_hostile_names_neither_steer_nor_widen_the_terminal(width: int) -> None:
    text = text_of(compare(mixed().manifest, hostile().manifest), width)
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert max(map(len, text.splitlines())) <= width


def test_json() -> None:
    document = json.loads(difference_json(compare(mixed().manifest, without_pim()), 0.05))
    assert document["schema"] == "stagecut.diff/1"
    assert document["decided_otherwise"] is True
    assert document["moves"][0] == {
        "node": "up",
        "op": "MatMul",
        "before": "pim.hbm",
        "after": "cpu.parallel",
    }
