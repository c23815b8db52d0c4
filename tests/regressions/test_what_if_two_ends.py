"""What a node elsewhere would change, where its value must end in two memories.

On the host node a takes 3 s and its value 1 s to the pim; on the pim 2 s, and 3 s back. The report
forgot one of the two ends, and promised 1 s less where it is 1 s more.
"""

import pytest

from stagecut.compiler.ir.account import account
from stagecut.compiler.report.model.build import build_report
from stagecut.compiler.report.model.what_if import WhatIf
from tests.support.planned_tables import plan_of
from tests.support.tables import cost_table, in_order, placed

TABLE = cost_table(
    "a: cpu 3000000, pim 2000000",
    transfer_us={"host>pim": 1e6, "pim>host": 3e6},
    outputs="a@host, a@pim",
)


def test_both_ends_count() -> None:
    here, there = (in_order(TABLE, placed(f"{device}: a")) for device in ("cpu", "pim"))
    costs = account(TABLE, here)
    assert account(TABLE, there).latency_s - costs.latency_s == pytest.approx(1.0)
    assert WhatIf(TABLE, here, costs).delta("a", "pim").extra_s == pytest.approx(1.0)


def test_the_report_says_so() -> None:
    plan = plan_of(TABLE, in_order(TABLE, placed("cpu: a")))
    [node] = build_report(plan.planned, plan.table).nodes
    added = {option.device: option.extra_s for option in node.options}
    assert added == {"cpu": 0.0, "gang": None, "pim": pytest.approx(1.0)}


def test_an_end_that_a_reader_wants_too_counts_once() -> None:
    read = cost_table(
        "a: cpu 3000000, pim 2000000\n b(a): pim 0",
        transfer_us={"host>pim": 1e6, "pim>host": 3e6},
        outputs="a@host, a@pim",
    )
    schedule = in_order(read, placed("cpu: a; pim: b"))
    costs = account(read, schedule)
    moved = account(read, in_order(read, placed("pim: a, b")))
    assert WhatIf(read, schedule, costs).delta("a", "pim").extra_s == pytest.approx(
        moved.latency_s - costs.latency_s
    )
