"""What crosses a modelled link is rounded to the numbers of the memory where it arrives."""

import numpy as np

from stagecut.backends.modelled_link import ModelledLink
from stagecut.compiler.ir.device import Estimate
from stagecut.compiler.ir.graph import Value


def test_numbers_become_those_of_the_target_and_are_counted() -> None:
    link = ModelledLink("host", "far", np.float16, lambda count: Estimate(2.0 * count))
    found = link.transfer(np.array([1.0, 1.0 + 2**-12, 1e6], np.float32))
    assert found.dtype == np.float16
    assert found.tolist() == [1.0, 1.0, np.inf]
    assert link.estimate(Value("x", "float32", (2, 3))).run_s == 12.0
    assert link.basis == "modelled"
