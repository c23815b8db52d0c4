"""Where nobody wants to know how a search stands, it goes on."""

from stagecut.compiler.ir.standing import Standing, nobody


def test_nobody_ends_a_search() -> None:
    assert nobody(Standing(2.0, 1.0, 0.0))
