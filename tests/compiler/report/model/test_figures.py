"""Figures that add up."""

from stagecut.compiler.report.model.figures import Figure


def test_no_total_hides_a_modelled_part() -> None:
    parts = [Figure(1.0, "measured"), Figure(2.0, "modelled")]
    assert Figure.total(parts) == Figure(3.0, "modelled")
    assert Figure.total(parts[:1]) == Figure(1.0, "measured")
