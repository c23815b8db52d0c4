"""Joules as people write them."""

import pytest

from stagecut.compiler.cli.limits import parse_joules
from stagecut.compiler.ir.errors import UsageError

READ = {
    "1.5mJ": 1.5e-3,
    "2 J": 2.0,
    "0.25uJ": 0.25e-6,
    "3µJ": 3e-6,
    "4nJ": 4e-9,
    "1kJ": 1e3,
    "1e-3J": 1e-3,
    " 7J ": 7.0,
}


@pytest.mark.parametrize(("text", "joules"), READ.items(), ids=READ)
def test_reading(text: str, joules: float) -> None:
    assert parse_joules(text) == pytest.approx(joules)


@pytest.mark.parametrize("text", ["", "J", "1", "1.5", "1MJ", "-1J", "1.2.3J", "1 W", "1mj"])
def test_refusing(text: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_joules(text)
    assert (error.value.where, bool(error.value.fix)) == ("--max-energy", True)
