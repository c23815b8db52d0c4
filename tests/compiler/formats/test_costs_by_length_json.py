"""Costs along the length as a file: they come back as they were, and what is wrong is said."""

import json
from pathlib import Path

import pytest

from stagecut.compiler.formats.costs_by_length_json import (
    is_by_length,
    read_costs_by_length,
    write_costs_by_length,
)
from stagecut.compiler.formats.costs_json import write_costs
from stagecut.compiler.ir.errors import CostTableError
from tests.support.lengths import steps

STEPS = steps()
TEXT = write_costs_by_length(STEPS)


def test_they_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "steps.json"
    path.write_text(TEXT)
    assert read_costs_by_length(path) == read_costs_by_length(TEXT) == STEPS
    assert write_costs_by_length(read_costs_by_length(TEXT)) == TEXT


def test_such_a_file_is_told_from_a_table(tmp_path: Path) -> None:
    one, other = tmp_path / "steps.json", tmp_path / "costs.json"
    one.write_text(TEXT)
    other.write_text(write_costs(STEPS.tables[0]))
    assert is_by_length(one)
    assert not is_by_length(other)
    assert not is_by_length(tmp_path / "nothing.json")


def _changed(change: str) -> str:
    document = json.loads(TEXT)
    match change:
        case "schema":
            document["schema"] = "stagecut.costs-by-length/9"
        case "length":
            document["tables"][0]["length"] = "ten"
        case "key":
            document["more"] = 1
        case "order":
            document["tables"].reverse()
        case "table":
            document["tables"][1]["costs"]["nodes"][0]["run_s"]["cpu"] = -1
    return json.dumps(document)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("schema", "at schema"),
        ("length", "tables.0.length"),
        ("key", "at more"),
        ("order", "increase"),
        ("table", "negative"),
    ],
)
def test_what_is_wrong_is_said(change: str, says: str) -> None:
    with pytest.raises(CostTableError, match=says):
        read_costs_by_length(_changed(change))


def test_what_is_wrong_with_a_table_says_with_which() -> None:
    with pytest.raises(CostTableError) as raised:
        read_costs_by_length(_changed("table"))
    assert raised.value.where == "tables[1].costs, nodes[0].run_s.cpu"


@pytest.mark.parametrize(
    ("one", "twice", "where"),
    [
        ('"tables": [', '"tables": [], "tables": [', "tables"),
        ('{"length": 10,', '{"length": 10, "length": 10,', "tables[0].length"),
        ('"run_s": {', '"run_s": {"cpu": 1, ', "tables[0].costs.nodes[0].run_s.cpu"),
    ],
)
def test_a_key_that_stands_twice_is_named(one: str, twice: str, where: str) -> None:
    with pytest.raises(CostTableError, match="stands there twice") as raised:
        read_costs_by_length(TEXT.replace(one, twice, 1))
    assert raised.value.where == where


def test_a_key_that_stands_twice_and_no_json_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CostTableError, match="twice"):
        read_costs_by_length(TEXT.replace('{"length": 10,', '{"length": 10, "length": 10,'))
    with pytest.raises(CostTableError, match="costs by length"):
        read_costs_by_length("{")
    with pytest.raises(CostTableError, match="cannot be read"):
        read_costs_by_length(tmp_path / "nothing.json")


@pytest.mark.parametrize("number", ["Infinity", "1e400", "NaN"])
@pytest.mark.parametrize("key", ["run_s", "run_spread"])
def test_numbers_without_end_are_refused_in_all_places(number: str, key: str) -> None:
    document = json.loads(TEXT)
    node = document["tables"][1]["costs"]["nodes"][0]
    device = next(iter(node["run_s"]))
    spread = {"runs": 3, "min_s": 7.25, "p25_s": 8.0, "p75_s": 9.0}
    node[key] = {**node.get(key, {}), device: spread if key == "run_spread" else 7.25}
    text = json.dumps(document)
    read_costs_by_length(text)
    with pytest.raises(CostTableError) as error:
        read_costs_by_length(text.replace("7.25", number))
    assert "is not a cost" in error.value.problem
    assert error.value.where is not None
    assert error.value.where.startswith(f"tables[1].costs, nodes[0].{key}.{device}")
