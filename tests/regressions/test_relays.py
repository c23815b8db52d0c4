"""A value that goes by way of a memory where it is wanted, too, gets there once.

    host -> a -> b, no way from host to b, readers of x in a and in b

The evaluator counted host -> a twice, 3 s; the run makes it once, 2 s.
"""

import pytest

from stagecut.compiler.ir.account import account
from stagecut.passes.partition.milp.milp import Milp
from stagecut.passes.partition.partition import Partition
from tests.support.planned_tables import on_the_host, plan_of
from tests.support.tables import cost_table, in_order, placed

#: A transfer takes 1 s, a node nothing.
TABLE = cost_table(
    "one(x): da 0\n two(x): db 0",
    devices={"cpu": "host", "da": "a", "db": "b"},
    transfer_us={"host>a": 1e6, "a>b": 1e6, "a>host": 0, "b>host": 0},
    inputs="x@host",
)

TEXT = """\
transfer x: host > a
run da: one
transfer x: a > b
run db: two"""


def test_the_account_counts_each_transfer_once() -> None:
    schedule = in_order(TABLE, placed("da: one; db: two"))
    assert str(schedule) == TEXT
    assert account(TABLE, schedule).latency_s == pytest.approx(2.0)


@pytest.mark.parametrize("method", [Partition(), Milp()], ids=["elimination", "HiGHS"])
def test_so_do_the_solvers(method: Partition | Milp) -> None:
    found = method(TABLE)
    assert found.total_s == pytest.approx(2.0)
    assert found.certificate.exact


def test_the_run_makes_what_was_counted() -> None:
    table = on_the_host(TABLE)
    plan = plan_of(table, Partition()(table).schedule)
    _, trace = plan.executor().run(plan.feeds())
    made = [f"{event.name}: {event.track}" for event in trace.events if event.kind == "transfer"]
    assert made == ["x: host>a", "x: a>b", "one: a>host", "two: b>host"]
