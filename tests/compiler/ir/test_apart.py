"""How far two arrays are apart."""

import numpy as np
import pytest

from stagecut.compiler.ir.apart import apart

NAN, INF = np.nan, np.inf
CASES = {
    "the same": ([1.0, -3.0], [1.0, -3.0], (0.0, 3.0)),
    "some are off": ([1.0, -2.5], [1.5, -3.0], (0.5, 3.0)),
    "NaN and infinity where they are wanted": ([NAN, INF, 1.0], [NAN, INF, 2.0], (1.0, 2.0)),
    "NaN elsewhere": ([NAN, 1.0], [1.0, 1.0], (INF, 1.0)),
    "an infinity elsewhere": ([1.0], [INF], (INF, 0.0)),
    "the other infinity": ([-INF], [INF], (INF, 0.0)),
    "farther apart than a number can say": ([-1e308], [1e308], (INF, 1e308)),
    "nothing": ([], [], (0.0, 0.0)),
}


@pytest.mark.parametrize(("found", "wanted", "expected"), CASES.values(), ids=CASES.keys())
def test_apart(found: list[float], wanted: list[float], expected: tuple[float, float]) -> None:
    assert apart(np.array(found), np.array(wanted)) == expected
