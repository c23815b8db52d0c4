"""Which outputs are asked for: all, some, or what is no name of any."""

import pytest

from stagecut.compiler.ir.errors import FeedError
from stagecut.runtime.outputs import Outputs

OUTPUTS = Outputs(["y", "z"], {"pairs": "sequence"})


def test_all_where_none_is_named() -> None:
    assert OUTPUTS.wanted(None) is OUTPUTS.names
    assert OUTPUTS.wanted([]) is OUTPUTS.names


def test_those_that_are_named_in_that_order() -> None:
    assert OUTPUTS.wanted(["z", "y"]) == ["z", "y"]
    assert OUTPUTS.wanted(name for name in ("y", "y")) == ["y", "y"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("y", "output_names: they are 'y'\n  fix: give a list"),
        (7, "output_names: they are 7"),
        (["x"], "there is no output 'x'\n  fix: the outputs are y, z"),
        (["pairs"], "output 'pairs' is a sequence, which a plan cannot hand back"),
    ],
)
def test_what_is_no_output_is_said(asked: object, told: str) -> None:
    with pytest.raises(FeedError, match=told):
        OUTPUTS.wanted(asked)
