"""Rows: what would make a device win a node."""

import pytest

from stagecut.compiler.report.model.figures import Figure
from stagecut.compiler.report.model.rows import Option

FLIPS = {
    "half its time has to go": (Figure(2.0, "measured"), 1.0, 2.0),
    "where it runs already": (Figure(2.0, "measured"), 0.0, 1.0),
    "even in no time it would lose": (Figure(2.0, "measured"), 2.5, None),
    "it cannot run there": (None, None, None),
}


@pytest.mark.parametrize(("run", "extra_s", "factor"), FLIPS.values(), ids=FLIPS.keys())
def test_flips_at(run: Figure | None, extra_s: float | None, factor: float | None) -> None:
    assert Option("d", run, "", extra_s, None).flips_at == factor
