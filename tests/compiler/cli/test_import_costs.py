"""`stagecut import-costs`: a workload becomes a table that `partition` solves."""

import json
from pathlib import Path

import pytest

from tests.compiler.formats.test_dnn_partitioning_json import CHAIN
from tests.support.command_line import stagecut


def test_a_workload_is_imported_and_solved(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("chain.json").write_text(json.dumps(CHAIN))
    said = stagecut(capsys, monkeypatch, "import-costs", "chain.json", "-o", "costs.json")
    assert said.out == "wrote costs.json: 3 nodes, on cpu, acc0, acc1\n"
    solved = stagecut(capsys, monkeypatch, "partition", "costs.json")
    assert solved.out.startswith("7.00 ms, optimal: no other schedule costs less")
    options = ("chain.json", "-o", "costs.json", "--unit", "us", "--json")
    found = json.loads(stagecut(capsys, monkeypatch, "import-costs", *options).out)
    assert (found["schema"], found["nodes"]) == ("stagecut.import-costs/1", 3)
    wrong = stagecut(capsys, monkeypatch, "import-costs", *options[:3], "--unit", "h")
    assert wrong.code == 2
    assert "'h' is not one of ms, us, s" in wrong.err
