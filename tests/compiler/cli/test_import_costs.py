"""`stagecut import-costs`."""

import json
from pathlib import Path

import pytest

from stagecut.compiler.formats.costs_json import read_costs
from tests.support.command_line import stagecut
from tests.support.placement import BERT_24


def test_a_workload_becomes_a_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bert24.json").write_text(json.dumps(BERT_24))
    command = ("import-costs", "bert24.json", "-o", "costs.json")
    said = stagecut(capsys, monkeypatch, *command)
    assert (said.code, said.out) == (0, "wrote costs.json: 32 nodes, 7 devices\n")
    assert json.loads(stagecut(capsys, monkeypatch, *command, "--json").out) == {
        "schema": "stagecut.import_costs/1",
        "costs": "costs.json",
        "nodes": 32,
        "devices": 7,
    }
    assert len(read_costs(Path("costs.json")).nodes) == 32
    solved = stagecut(capsys, monkeypatch, "partition", "costs.json", "--objective", "throughput")
    assert "one every 17.8 ms" in solved.out


def test_what_is_no_workload(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("other.json").write_text("{}")
    said = stagecut(capsys, monkeypatch, "import-costs", "other.json", "-o", "costs.json")
    assert (said.code, "is no workload for placement" in said.err) == (1, True)
    assert not Path("costs.json").exists()
