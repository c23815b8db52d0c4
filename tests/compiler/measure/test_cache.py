"""Measurements that are kept from one compile to the next."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from stagecut.compiler.measure.cache import Cache, digest

texts = st.lists(st.text(max_size=3), max_size=3)


def _cache(folder: Path | None) -> Cache[list[float]]:
    return Cache(folder, "profile", TypeAdapter(list[float]))


def test_what_was_stored_is_loaded(tmp_path: Path) -> None:
    cache = _cache(tmp_path / "new" / "folder")
    assert cache.load("key") is None
    cache.store("key", [0.1, 1e-9])
    assert cache.load("key") == [0.1, 1e-9]
    assert cache.load("other") is None


def test_a_file_that_cannot_be_read_is_as_good_as_none(tmp_path: Path) -> None:
    cache = _cache(tmp_path)
    cache.store("key", [1.0])
    [path] = tmp_path.iterdir()
    path.write_text("[1.0, ")
    assert cache.load("key") is None
    path.write_text('{"another": "version"}')
    assert cache.load("key") is None


def test_without_a_folder_nothing_is_kept() -> None:
    cache = _cache(None)
    cache.store("key", [1.0])
    assert cache.load("key") is None


@given(texts, texts)
def test_no_two_lists_share_a_digest(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)
