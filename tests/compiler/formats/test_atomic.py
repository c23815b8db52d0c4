"""Files that are written whole or not at all."""

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from stagecut.compiler.formats.atomic import replacing, writing
from stagecut.compiler.ir.errors import OutputError


@pytest.fixture
def umask() -> Iterator[None]:
    """The user's is 027: readable for the group, not for others."""
    before = os.umask(0o027)
    yield
    os.umask(before)


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


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


@pytest.mark.usefixtures("umask")
def test_a_new_file_has_the_permissions_that_the_user_gives_his_files(tmp_path: Path) -> None:
    _write(tmp_path / "new", "")
    assert _mode(tmp_path / "new") == 0o640


def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path) -> None:
    (tmp_path / "private").write_text("old")
    (tmp_path / "private").chmod(0o600)
    _write(tmp_path / "private", "new")
    assert _mode(tmp_path / "private") == 0o600


def test_a_file_that_is_protected_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kept").write_text("old")
    monkeypatch.setattr(os, "access", lambda *_: False)  # as root may do everything
    with pytest.raises(OutputError, match="protected"):
        _write(tmp_path / "kept", "new")
    assert (tmp_path / "kept").read_text() == "old"


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="it is a folder"):
        _write(tmp_path, "new")


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "file").write_text("old")
    (tmp_path / "link").symlink_to(Path("far") / "file")
    (tmp_path / "dangling").symlink_to(Path("far") / "none")
    _write(tmp_path / "link", "new")
    _write(tmp_path / "dangling", "newer")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "dangling").is_symlink()
    texts = {path.name: path.read_text() for path in (tmp_path / "far").iterdir()}
    assert texts == {"file": "new", "none": "newer"}


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OutputError, match="symbolic links"):
        _write(tmp_path / "loop", "new")


def test_a_device_is_written_into(tmp_path: Path) -> None:
    nowhere = tmp_path / "link"
    nowhere.symlink_to(os.devnull)
    _write(nowhere, "new")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    assert nowhere.is_symlink()
    with pytest.raises(OutputError, match="No space left"):
        _write(Path("/dev/full"), "new")


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    _write(tmp_path / "pipe", "new")
    reader.join()
    assert read == ["new"]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_name_may_be_as_long_as_names_can_be(tmp_path: Path) -> None:
    _write(tmp_path / ("n" * 255), "new")
    with pytest.raises(OutputError, match="too long"):
        _write(tmp_path / ("n" * 256), "new")
