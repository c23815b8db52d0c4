"""Every error says what is wrong, and, where that is known, where and what to do."""

import inspect

import pytest

from stagecut.compiler.ir import errors
from stagecut.compiler.ir.errors import EngineError, StagecutError, StageFault, UsageError

TEXTS = {
    "all of it": (StagecutError("no", where="here", fix="go"), "here: no\n  fix: go"),
    "the problem alone": (StagecutError("no"), "no"),
    "without a place": (StagecutError("no", fix="go"), "no\n  fix: go"),
    "a name that would do something": (
        StagecutError("\x1b[2Jno\nfix: rm", where="a\tb", fix="go\r"),
        "a b: \ufffd[2Jno fix: rm\n  fix: go ",
    ),
    "a name without end": (StagecutError("n" * 5000), f"{'n' * 1500}…"),
    "a fault of a stage": (
        StageFault("no memory", stage=3, device="npu"),
        "stage 3 on npu: no memory\n  fix: forbid its nodes on npu, or leave the device out",
    ),
}


@pytest.mark.parametrize(("error", "text"), TEXTS.values(), ids=TEXTS.keys())
def test_what_is_said(error: StagecutError, text: str) -> None:
    assert str(error) == text


def test_they_are_one_family_and_each_says_when_it_is_raised() -> None:
    family = [each for _, each in inspect.getmembers(errors, inspect.isclass)]
    assert all(issubclass(each, StagecutError) for each in family)
    assert all(each.__doc__ for each in family)
    assert issubclass(StageFault, EngineError)
    assert not issubclass(UsageError, EngineError)
