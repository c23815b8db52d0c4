"""Graphs side by side: what is decided of them together is what is decided of each, at the best
split of what they share, by trying all.
"""

from dataclasses import replace
from itertools import product
from math import fsum, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.costs import ERROR, CostTable, with_errors
from stagecut.compiler.ir.errors import UnplaceableError
from stagecut.passes.partition.partition import Partition
from stagecut.passes.partition.side_by_side import Part, side_by_side
from tests.support.tables import US, cost_table, every_assignment, in_order

#: Few bits are slower for many rows, and faster for one.
PROMPT = "a: cpu 30, few 40\n b(a): cpu 30, few 20"
STEP = "a: cpu 8, few 3\n b(a): cpu 8, few 4"
DEVICES = {"cpu": "host", "few": "host"}


def _table(nodes: str, **squared: float) -> CostTable:
    """`squared` is the error of each node in few bits."""
    table = cost_table(nodes, devices=DEVICES)
    return with_errors(table, {name: {"few": each} for name, each in squared.items()}, 1.0)


def _solved(limit: float) -> tuple[dict[str, str], float]:
    parts = {"prefill": Part(_table(PROMPT, a=4, b=2)), "decode": Part(_table(STEP, a=3, b=3), 10)}
    solution = Partition()(side_by_side(parts, limit))
    return dict(solution.assignment.devices), solution.total_s


CASES = {
    "nothing may be off": (0.0, ["cpu"] * 4, 60 + 160),
    "only a step's node that gains most": (3.0, ["cpu", "cpu", "few", "cpu"], 60 + 110),
    "both nodes of a step": (6.0, ["cpu", "cpu", "few", "few"], 60 + 70),
    "and the one of the prompt that gains": (8.0, ["cpu", "few", "few", "few"], 50 + 70),
    "what would gain nothing stays": (99.0, ["cpu", "few", "few", "few"], 50 + 70),
}


@pytest.mark.parametrize(("limit", "placed", "total_us"), CASES.values(), ids=CASES.keys())
def test_who_may_be_off(limit: float, placed: list[str], total_us: float) -> None:
    devices, total_s = _solved(limit)
    names = ("prefill/a", "prefill/b", "decode/a", "decode/b")
    assert [devices[name].partition("/")[2] for name in names] == placed
    assert [devices[name].partition("/")[0] for name in names] == ["prefill"] * 2 + ["decode"] * 2
    assert total_s == pytest.approx(total_us * US)


amounts = st.integers(0, 5)


@st.composite
def chains(draw: st.DrawFn) -> CostTable:
    """Up to three nodes on two devices with a memory each, and what they use of the budget."""
    count = draw(st.integers(1, 3))
    lines = [
        f"n{at}{f'(n{at - 1})' if at else ''}: cpu {draw(amounts)}, pim {draw(amounts)}"
        for at in range(count)
    ]
    starts = {"cpu": draw(amounts), "pim": draw(amounts)}
    table = cost_table(
        "\n".join(lines),
        devices={"cpu": "host", "pim": "pim"},
        transfer_us=draw(amounts),
        stage_us=starts,
    )
    errors = {f"n{at}": {"pim": draw(amounts)} for at in range(count)}
    return with_errors(table, errors, 1.0)


def _choices(table: CostTable) -> list[tuple[float, float]]:
    """What each assignment uses, and takes."""
    loose = replace(table, budgets=(replace(table.budgets[0], limit=1e9),))
    found = []
    for assignment in every_assignment(loose):
        costs = account(loose, in_order(loose, assignment))
        found.append((costs.uses.get(ERROR, 0.0), costs.latency_s))
    return found


@given(chains(), chains(), st.integers(1, 4), st.integers(0, 12))
def test_nothing_takes_less(one: CostTable, other: CostTable, times: int, limit: int) -> None:
    least = min(
        (
            first_s + times * second_s
            for (first, first_s), (second, second_s) in product(_choices(one), _choices(other))
            if first + second <= limit
        ),
        default=inf,
    )
    table = side_by_side({"one": Part(one), "other": Part(other, times)}, limit)
    try:
        found = Partition()(table)
    except UnplaceableError:
        assert least == inf
        return
    assert found.total_s == pytest.approx(least)
    assert fsum(found.account.uses.values()) <= limit
