"""Short words for operands, so that a form takes a line."""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from tests.support.operators.case import Attribute, Operand
from tests.support.operators.schemas import Form


def x(*shape: int, fill: str = "any", dtype: str = "") -> Operand:
    """Fed in every run."""
    return Operand(shape, fill, dtype=dtype)


def w(*shape: int, fill: str = "any", dtype: str = "") -> Operand:
    """A weight."""
    return Operand(shape, fill, dtype=dtype, constant=True)


def c(values: object, dtype: str = "") -> Operand:
    """A constant with these values."""
    array = np.asarray(values)
    return Operand(array.shape, values=tuple(array.ravel().tolist()), dtype=dtype, constant=True)


def v(values: object, dtype: str = "") -> Operand:
    """Fed in every run, always with these values."""
    array = np.asarray(values)
    return Operand(array.shape, values=tuple(array.ravel().tolist()), dtype=dtype)


def form(*operands: Operand | None, **attributes: Attribute | None) -> Form:
    """Attributes that are None are left out; `outputs` is none, but says how many there are."""
    given = {name: each for name, each in attributes.items() if each is not None}
    outputs = given.pop("outputs", 1)
    assert isinstance(outputs, int)
    return Form(operands, given, (True,) * outputs)


def every(**choices: Sequence[Attribute | None]) -> Iterator[dict[str, Attribute | None]]:
    """Each way to choose one value for each attribute."""
    for chosen in product(*choices.values()):
        yield dict(zip(choices, chosen, strict=True))
