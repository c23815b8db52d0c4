"""Suggestions and shapes, as everybody writes them."""

import pytest

from stagecut.compiler.ir.text import shape_text, size_text, suggestion

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
