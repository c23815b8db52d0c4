"""Assignments as files."""

from pathlib import Path

import pytest

from stagecut.compiler.formats.assignment_json import read_assignment
from stagecut.compiler.ir.errors import AssignmentError
from stagecut.compiler.ir.solution import Assignment

READ = {
    "plain": '{"a": "cpu", "b": "pim"}',
    "as partition prints it": '{"method": "greedy", "assignment": {"a": "cpu", "b": "pim"}}',
}


@pytest.mark.parametrize("text", READ.values(), ids=READ.keys())
def test_reading(text: str, tmp_path: Path) -> None:
    path = tmp_path / "assignment.json"
    path.write_text(text)
    assert read_assignment(path) == Assignment({"a": "cpu", "b": "pim"})


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"assignment": ["cpu"]}', "nonsense"])
def test_refusing(text: str, tmp_path: Path) -> None:
    path = tmp_path / "assignment.json"
    path.write_text(text)
    with pytest.raises(AssignmentError, match="is not an assignment") as error:
        read_assignment(path)
    assert error.value.where == str(path)


def test_a_node_that_is_placed_twice(tmp_path: Path) -> None:
    path = tmp_path / "assignment.json"
    path.write_text('{"a": "cpu", "a": "pim"}')
    with pytest.raises(AssignmentError, match="says twice where 'a' goes"):
        read_assignment(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AssignmentError, match="No such file"):
        read_assignment(tmp_path / "none.json")
