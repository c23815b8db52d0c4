"""Inputs and outputs of a plan that make no sense, each with the sentence that says so."""

from dataclasses import replace

import pytest

from stagecut.compiler.formats.port_check import port_problems
from stagecut.compiler.ir.port import InputPort, Port

X = InputPort("x", "float32", (2, 3), 0.0, 1.0)
Y = Port("y", "float32", (2, 3))

BAD: dict[str, tuple[list[InputPort], list[Port], str]] = {
    "two inputs of one name": ([X, X], [Y], "two inputs have one name"),
    "two inputs of one name inside": ([X, replace(X, name="z", value="x")], [Y], "two inputs"),
    "two outputs of one name": ([X], [Y, Y], "two outputs have one name"),
    "a type that does not exist": ([replace(X, dtype="float31")], [Y], "no type 'float31'"),
    "a type by another name": ([X], [replace(Y, dtype="<f4")], "y: there is no type '<f4'"),
    "more dimensions than sizes": ([replace(X, dims=("n", 3, 4))], [Y], "3 dimensions, and 2"),
    "a size that is not the fixed one": ([replace(X, dims=("n", 4))], [Y], "of 4 has 3 elements"),
    "a range the wrong way round": ([replace(X, low=2.0)], [Y], "lie between 2 and 1"),
}


@pytest.mark.parametrize(("inputs", "outputs", "problem"), BAD.values(), ids=BAD.keys())
def test_what_makes_no_sense_is_said(
    inputs: list[InputPort], outputs: list[Port], problem: str
) -> None:
    assert problem in next(port_problems(inputs, outputs))


def test_what_makes_sense_is_left_alone() -> None:
    text = InputPort("t", "string", ())
    narrow = Port("b", "bfloat16", (2,))
    assert [*port_problems([X, text, replace(X, name="o", dims=("n", 3))], [Y, narrow])] == []
