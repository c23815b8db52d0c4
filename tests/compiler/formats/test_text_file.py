"""Byte order marks, which text files should not have and often do."""

import codecs

import pytest

from stagecut.compiler.formats.text_file import without_mark

_TEXT = '{"name": "π"}'

CASES: dict[str, tuple[bytes, bytes]] = {
    "UTF-8": (_TEXT.encode(), _TEXT.encode()),
    "UTF-8 with a mark": (codecs.BOM_UTF8 + _TEXT.encode(), _TEXT.encode()),
    "UTF-16 with a mark": (codecs.BOM_UTF16_LE + _TEXT.encode("utf-16-le"), _TEXT.encode()),
    "UTF-16, big end first": (codecs.BOM_UTF16_BE + _TEXT.encode("utf-16-be"), _TEXT.encode()),
    "UTF-32 with a mark": (_TEXT.encode("utf-32"), _TEXT.encode()),
    "half a character after a mark": (codecs.BOM_UTF16_LE + b"a", codecs.BOM_UTF16_LE + b"a"),
    "nothing": (b"", b""),
    "no text": (b"\x00\xff", b"\x00\xff"),
}


@pytest.mark.parametrize(("data", "expected"), CASES.values(), ids=CASES.keys())
def test_without_mark(data: bytes, expected: bytes) -> None:
    assert without_mark(data) == expected
