"""The graph for Graphviz: a golden file, and names that cannot leave their quotes."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from stagecut.compiler.report.export.dot import to_dot
from tests.support.golden import assert_golden
from tests.support.planned import Sample, gate_report_of
from tests.support.planned_variants import empty, hostile, large, mixed, one_node, relayed, two_ends

SAMPLES = {
    "a mixed plan": mixed(),
    "a plan with a relay": relayed(),
    "a plan whose output ends in two memories": two_ends(),
    "a plan of one node": one_node(),
    "a plan of no node": empty(),
    "a plan with hostile names": hostile(),
    "a plan of 200 nodes": large(200),
}
every_sample = pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())

#: A quoted string, in which a backslash takes the next character along.
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def dot_of(sample: Sample) -> str:
    return to_dot(gate_report_of(sample))


def test_golden(tmp_path: Path) -> None:
    assert_golden("report-mixed.dot", dot_of(mixed()), tmp_path)


def test_a_relay_is_told_in_one_edge() -> None:
    assert 'n0 -> n2 [label="64.0 KiB, 11.0 µs via a", style=dashed]' in dot_of(relayed())


@every_sample
def test_names_stay_inside_their_quotes(sample: Sample) -> None:
    bare = STRING.sub("", dot_of(sample))
    assert re.fullmatch(r"[\w\s{}\[\]=,.>-]*", bare)


@every_sample
def test_every_node_is_drawn_once_and_in_its_stage(sample: Sample) -> None:
    lines = dot_of(sample).splitlines()
    drawn = [line.split()[0] for line in lines if re.match(r"    n\d+ ", line)]
    assert sorted(drawn) == sorted(f"n{index}" for index in range(len(sample.planned.nodes)))
    clusters = [line for line in lines if line.startswith("  subgraph cluster_")]
    assert len(clusters) == len(sample.planned.stages)


@every_sample
def test_graphviz_accepts_it(sample: Sample) -> None:
    if shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed")
    ran = subprocess.run(
        ["dot", "-Tcanon"], input=dot_of(sample), capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
