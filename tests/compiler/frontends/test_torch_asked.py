"""What torch raises becomes an error of ours, in one line."""

import pytest

from stagecut.compiler.frontends.torch_asked import asked
from stagecut.compiler.ir.errors import ModelError


def fail(error: Exception) -> None:
    with asked("it cannot", where="here", fix="mend it"):
        raise error


def chain(first: Exception, then: Exception) -> Exception:
    then.__cause__ = first
    return then


CASES = {
    "the first line": (ValueError("one\ntwo"), "it cannot: one"),
    "the first cause": (chain(KeyError("why"), RuntimeError("advice")), "it cannot: 'why'"),
    "an error without words": (ValueError(), "it cannot: ValueError"),
}


@pytest.mark.parametrize(("error", "problem"), CASES.values(), ids=CASES.keys())
def test_problem(error: Exception, problem: str) -> None:
    with pytest.raises(ModelError) as caught:
        fail(error)
    assert (caught.value.problem, caught.value.where, caught.value.fix) == (
        problem,
        "here",
        "mend it",
    )


def test_our_own_errors_pass_as_they_are() -> None:
    ours = ModelError("ours")
    with pytest.raises(ModelError) as caught:
        fail(ours)
    assert caught.value is ours
