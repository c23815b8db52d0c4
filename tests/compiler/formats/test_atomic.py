"""Files that are written whole or not at all."""

from pathlib import Path

import pytest

from stagecut.compiler.formats.atomic import replacing, writing
from stagecut.compiler.ir.errors import OutputError


def test_what_was_written_takes_the_place_of_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [found.name for found in tmp_path.iterdir()] == ["kept"]


def test_replacing_keeps_the_old_file_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_text("old")
    with pytest.raises(OutputError, match="No space left"), replacing(path) as temporary:
        _write_half(temporary)
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["kept"]


def test_replacing_leaves_nothing_behind_when_interrupted(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "new"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_replacing_in_a_missing_folder_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No such file"), replacing(tmp_path / "no" / "new"):
        pytest.fail("the block must not run")


def _write_half(path: Path) -> None:
    path.write_text("half")
    raise OSError(28, "No space left on device")


def test_a_folder_that_cannot_be_written_is_told_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written: Not a directory") as error:
        _write_below_a_file(tmp_path / "file")
    assert error.value.where == str(tmp_path / "file" / "below")
    assert error.value.fix


def _write_below_a_file(path: Path) -> None:
    path.write_text("")
    with writing(path / "below"):
        (path / "below").write_text("")
