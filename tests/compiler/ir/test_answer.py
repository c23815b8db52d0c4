"""The objective of a whole answer: what is read, and what is refused."""

import pytest

from stagecut.compiler.ir.answer import of_answer
from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.state import DecodingOptions


def test_lengths_of_an_answer() -> None:
    expected = DecodingOptions(prompt=512, new=128)
    assert of_answer("generate:prompt=512,new=128", DecodingOptions()) == ("latency", expected)
    given = DecodingOptions(prompt=512, capacity=900)
    found = of_answer("generate: new=128, prompt=512", given)
    assert found == ("latency", DecodingOptions(prompt=512, capacity=900, new=128))


@pytest.mark.parametrize("objective", ["latency", "energy", "latency=1,energy=2", "speed"])
def test_another_objective_stays(objective: str) -> None:
    assert of_answer(objective, DecodingOptions()) == (objective, DecodingOptions())


@pytest.mark.parametrize(
    "objective",
    ["generate", "generate:", "generate:prompt=5", "generate:prompt=5,new=x", "generate:a=1,b=2"],
)
def test_what_cannot_be_read(objective: str) -> None:
    with pytest.raises(UsageError, match="does not say how long the answer is"):
        of_answer(objective, DecodingOptions())


def test_two_prompts() -> None:
    with pytest.raises(UsageError, match="the prompt has 5 tokens here, and 6 by itself"):
        of_answer("generate:prompt=5,new=4", DecodingOptions(prompt=6))
