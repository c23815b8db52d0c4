"""The published cost tables. They are not part of this repository: tests use them where present."""

import pytest

from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.ir.costs import CostTable
from tests.support.repository import SHARED

_CASES = SHARED / "partition_cases"


def published(case: str) -> CostTable:
    """One of the cost tables, such as `bert-8`; skips the test where it is not at hand."""
    path = _CASES / f"{case}.json"
    if not path.exists():
        pytest.skip(f"the published cost table {case} is not on this machine")
    return read_costs(path)
