"""Names that only show, suggestions and shapes, as everybody writes them."""

import os
from pathlib import Path

import pytest

from stagecut.compiler.ir.text import (
    html_table,
    path_text,
    printable,
    shape_text,
    size_text,
    suggestion,
)

KNOWN = ("cpu.serial", "cpu.parallel", "pim.hbm")

SUGGESTIONS = {
    "a letter swapped": ("cpu.seriel", "", "did you mean 'cpu.serial'?"),
    "with what else can be done": ("pim.hmb", "list them", "did you mean 'pim.hbm'? list them"),
    "nothing is near": ("zzz", "list them", "list them"),
    "nothing at all": ("zzz", "", ""),
}


@pytest.mark.parametrize(("name", "more", "text"), SUGGESTIONS.values(), ids=SUGGESTIONS)
def test_suggestion(name: str, more: str, text: str) -> None:
    assert suggestion(name, KNOWN, more) == text


def test_shapes() -> None:
    assert size_text((1, "seq", 8)) == "1xseqx8"
    assert size_text(()) == "scalar"
    assert shape_text({"ids": (1, 128), "scale": ()}) == "ids 1x128, scale scalar"
    assert shape_text({}) == ""


PRINTABLE = {
    "plain": ("encoder/ädd.1 → 你", "encoder/ädd.1 → 你"),
    "an escape sequence": ("\x1b[31mred\x1b[0m", "\ufffd[31mred\ufffd[0m"),
    "an escape sequence in one character": ("\x9b2J", "\ufffd2J"),
    "a line of its own": ("a\r\nerror: b\tc", "a  error: b c"),
    "other ends of lines": ("a\u2028b\x0bc\x85d", "a b c d"),
    "the direction of writing turned": ("a\u202eb\u2066c", "a\ufffdb\ufffdc"),
    "nothing to see": ("a\u200bb\x00c\x7f", "a\ufffdb\ufffdc\ufffd"),
    "no character": ("a\udcffb", "a\ufffdb"),
}


@pytest.mark.parametrize(("text", "expected"), PRINTABLE.values(), ids=PRINTABLE)
def test_printable(text: str, expected: str) -> None:
    assert printable(text) == expected
    assert printable(text).isprintable()


def test_paths_that_are_no_text() -> None:
    assert path_text(Path("a") / os.fsdecode("ä".encode())) == "a/ä"
    assert path_text(os.fsdecode(b"m\xff.onnx")) == "m\ufffd.onnx"


def test_a_table_for_a_notebook_is_cut_and_harmless() -> None:
    shown = html_table("a & b", ("name",), [("<script>",)] + [(number,) for number in range(24)])
    assert "<caption>a &amp; b</caption>" in shown
    assert "<td>&lt;script&gt;</td>" in shown
    assert shown.count("<tr>") == 1 + 20 + 1
    assert "… and 5 more" in shown
