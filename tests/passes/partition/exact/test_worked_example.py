"""Every figure of passes/partition/exact/README.md, computed."""

import numpy as np
import pytest

from stagecut.compiler.ir.objective import LATENCY
from stagecut.passes.partition.exact.arrays import table_arrays
from stagecut.passes.partition.exact.elimination import Inbox, minimise
from stagecut.passes.partition.exact.factor_graph import Factors
from stagecut.passes.partition.exact.marginals import min_marginals
from stagecut.passes.partition.exact.model import Starts, factor_model
from stagecut.passes.partition.exact.ordering import elimination_order
from stagecut.passes.partition.exact.transfers import transfers_of
from stagecut.passes.partition.partition import Partition
from tests.support.tables import US, cost_table

TABLE = cost_table(
    """
    a      : cpu 3, pim 5
    b(a)   : cpu 4, pim 1
    c(a, b): cpu 2, pim 4
    """,
    devices={"cpu": "host", "pim": "pim"},
    transfer_us=2,
)
INF = float("inf")
#: Variables 0 to 2 are the nodes; 3 is the set of memories that hold `a`: host, pim, or both.
NAMES = "abcH"


def test_which_transfers_are_decided_and_by_whom() -> None:
    decided = transfers_of(table_arrays(TABLE, LATENCY))
    assert decided.held.tolist() == [0]  # value a
    assert decided.pairwise.tolist() == [[False, False], [False, False], [True, True]]
    assert not decided.implied.any()
    assert decided.variable.size == 0


def test_the_messages_in_elimination_order() -> None:
    graph = factor_model(table_arrays(TABLE, LATENCY), Starts.none()).graph
    order = elimination_order(graph)
    assert order is not None
    name_of = {int(rank): NAMES[variable] for variable, rank in enumerate(order.rank)}
    inbox = Inbox(graph, order)
    messages = {}
    for index, group in enumerate(order.groups):
        message = inbox.joint(index).min(axis=0)
        to = "".join(name_of[int(rank)] for rank in group.neighbours[:, 0])
        messages[f"{name_of[group.first]} to {to}"] = np.round(message[..., 0] / US, 6).tolist()
        if to:
            inbox.deliver(Factors(group.neighbours, message))
    assert messages == {
        "a to H": [3, 5, 5],
        "c to bH": [[2, 6, 2], [4, 4, 4]],
        "b to H": [6, 5, 5],
        "H to ": 9,
    }
    assert minimise(graph, order).states.tolist() == [0, 0, 0, 0]
    marginals = min_marginals(graph, order)[:3, :2] / US
    assert marginals == pytest.approx(np.array([[9, 10]] * 3))


def test_the_schedule_and_its_account() -> None:
    best = Partition()(TABLE)
    assert str(best.schedule) == "run cpu: a, b, c"
    assert best.account.latency_s == pytest.approx(9 * US)
    assert best.certificate.exact
