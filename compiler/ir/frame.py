"""A cost table as a data frame of pandas: a row for each candidate, for those who have pandas.

node  op      device  run_s    run_j  weight_bytes
up    MatMul  cpu     9.0e-05  NaN    1048576
up    MatMul  npu     1.0e-05  NaN    1048576
"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("node", "op", "device", "run_s", "run_j", "weight_bytes")


def frame_of(table: CostTable) -> "pd.DataFrame":
    """What `CostTable.to_frame` returns."""
    try:
        import pandas as pd
    except ImportError:
        raise UsageError(
            "a data frame is one of pandas, which is not installed",
            where="to_frame",
            fix="pip install pandas, or read table.nodes",
        ) from None
    return pd.DataFrame(list(_rows(table)), columns=list(COLUMNS))


def _rows(table: CostTable) -> Iterator[tuple[str, str, str, float, float, int]]:
    for node in table.nodes:
        for device, run_s in node.run_s.items():
            energy_j = node.run_j.get(device, math.nan)
            yield node.name, node.op, device, run_s, energy_j, node.bytes_on(device)
