"""Measurements that are kept from one compile to the next, in a cache that may be damaged."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler.measure.cache import Cache, digest

texts = st.lists(st.text(max_size=3), max_size=3)
INF = float("inf")


@pytest.fixture
def said() -> list[str]:
    """What the user was warned of."""
    return []


def _cache(folder: Path | None, said: list[str]) -> Cache[list[float]]:
    return Cache(folder, "profile", list[float], said.append)


def test_what_was_stored_is_loaded(tmp_path: Path, said: list[str]) -> None:
    cache = _cache(tmp_path / "new" / "folder", said)
    assert cache.load("key") is None
    cache.store("key", [0.1, 1e-9, INF])
    assert cache.load("key") == [0.1, 1e-9, INF]
    assert cache.load("other") is None
    assert not said


def test_every_changed_byte_is_noticed(tmp_path: Path, said: list[str]) -> None:
    cache = _cache(tmp_path, said)
    cache.store("key", [1.5, 2.25])
    [path] = tmp_path.iterdir()
    whole = path.read_bytes()
    for at in range(len(whole)):
        for change in (0x01, 0x20, 0x80, 0xFF):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ change]) + whole[at + 1 :])
            assert cache.load("key") is None, at
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert cache.load("key") is None, length
    path.write_bytes(whole)
    assert cache.load("key") == [1.5, 2.25]
    assert len(set(said)) == 1
    assert "damaged" in said[0]


def test_the_entry_of_another_key_or_type_is_none(tmp_path: Path, said: list[str]) -> None:
    cache = _cache(tmp_path, said)
    cache.store("one", [1.0])
    [path] = tmp_path.iterdir()
    path.rename(path.with_name(path.name.replace("one", "two")))
    assert cache.load("two") is None
    words = Cache(tmp_path, "profile", list[str], said.append)
    words.store("key", ["a"])
    assert cache.load("key") is None
    assert len(said) == 2


def test_a_file_where_the_folder_should_be(tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        cache = _cache(folder, said)
        assert cache.load("key") is None
        cache.store("key", [1.0])
    assert (tmp_path / "file").read_text() == "mine"
    assert len(said) == 2
    assert all("nothing is kept in the cache" in told for told in said)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_folder_that_cannot_be_written(
    number: int, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "write_bytes", fails)
    cache = _cache(tmp_path, said)
    cache.store("key", [1.0])
    assert said == [f"nothing is kept in the cache {tmp_path}: {told(number)}"]
    assert not [*tmp_path.iterdir()]


def told(number: int) -> str:
    return f"cannot be written: {os.strerror(number)}"


def test_an_entry_that_cannot_be_read(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = _cache(tmp_path, said)
    cache.store("key", [1.0])

    def fails(*_: object) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", fails)
    assert cache.load("key") is None
    assert said == [f"the cache {tmp_path} cannot be read: Permission denied"]


def test_a_pipe_in_an_entrys_place_is_not_waited_for(tmp_path: Path, said: list[str]) -> None:
    cache = _cache(tmp_path, said)
    os.mkfifo(tmp_path / "profile-key.kept")
    assert cache.load("key") is None
    cache.store("key", [1.0])
    assert said == [f"nothing is kept in the cache {tmp_path}: profile-key.kept is no file"]


def test_an_entry_that_no_memory_holds(tmp_path: Path, said: list[str]) -> None:
    with (tmp_path / "profile-key.kept").open("wb") as file:
        file.truncate(1 << 40)
    cache = _cache(tmp_path, said)
    assert cache.load("key") is None
    assert said == [f"the cache {tmp_path} cannot be read: File too large"]
    cache.store("key", [1.0])
    assert cache.load("key") == [1.0]


def test_what_cannot_be_written_down_is_not_kept(tmp_path: Path, said: list[str]) -> None:
    cache = Cache(tmp_path, "profile", object, said.append)
    cache.store("key", object())
    assert len(said) == 1
    assert cache.load("key") is None


def test_without_a_folder_nothing_is_kept(said: list[str]) -> None:
    cache = _cache(None, said)
    cache.store("key", [1.0])
    assert cache.load("key") is None
    assert not said


@given(texts, texts)
def test_no_two_lists_share_a_digest(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)
