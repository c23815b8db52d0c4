"""Text files as people's programs write them: UTF-8, with a byte order mark or without, or UTF-16.

JSON and TOML are UTF-8 by their standards and have no mark, but Windows' editors and PowerShell
write both.
"""

import codecs
from pathlib import Path

from stagecut.compiler.formats.whole_file import read_whole

#: Longest first: that of UTF-32 begins as that of UTF-16 does.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def read_text(path: Path) -> bytes:
    """The file in UTF-8 without a mark; raises OSError as `read_whole` does."""
    return without_mark(read_whole(path))


def in_utf8(text: str | bytes) -> bytes:
    """Bytes as they are; raises UnicodeEncodeError for half a character."""
    return text if isinstance(text, bytes) else text.encode()


def without_mark(data: bytes) -> bytes:
    """The same text in UTF-8 without a mark; `data` itself where it has none, or is no text."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                return data.removeprefix(mark).decode(encoding).encode()
            except UnicodeError:
                return data
    return data
