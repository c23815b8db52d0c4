"""Certificates claim what is proved and no more; what alternatives say in words."""

from math import inf

import pytest

from stagecut.compiler.ir.errors import UsageError
from stagecut.compiler.ir.solution import (
    ALL_SCHEDULES,
    GRAPH_ORDER,
    Alternative,
    Assignment,
    Certificate,
    assignment_of,
)
from stagecut.passes.partition.explain import Explain
from stagecut.passes.partition.partition import Partition
from tests.support.tables import cost_table, in_order, placed

#: Total, bound over all schedules, bound in the graph's order; exact, scope, gap, claim.
CASES = {
    "the bound is met": (
        (2.0, 2.0, -inf),
        (True, ALL_SCHEDULES, 0.0),
        "optimal: no other schedule costs less",
    ),
    "the bound is met but for rounding": (
        (2.0, 2.0 - 1e-12, -inf),
        (True, ALL_SCHEDULES, 0.0),
        "optimal: no other schedule costs less",
    ),
    "the bound is above the total by rounding": (
        (2.0, 2.0 + 1e-12, 2.0),
        (True, ALL_SCHEDULES, 0.0),
        "optimal: no other schedule costs less",
    ),
    "the bound of the graph's order is met": (
        (2.0, 1.5, 2.0),
        (False, GRAPH_ORDER, 0.25),
        "optimal in the graph's order; in another order at most 25.00% might be saved",
    ),
    "a better order than the graph's was found": (
        (1.8, 1.5, 2.0),
        (False, GRAPH_ORDER, 1 / 6),
        "optimal in the graph's order; in another order at most 16.67% might be saved",
    ),
    "no bound is met": (
        (2.0, 1.5, 1.8),
        (False, ALL_SCHEDULES, 0.25),
        "not proven optimal: at most 25.00% might be saved",
    ),
    "next to nothing is left": (
        (2.0, 1.99999, -inf),
        (False, ALL_SCHEDULES, 1 - 1.99999 / 2.0),
        "not proven optimal: at most 0.01% might be saved",
    ),
    "nothing is known of the graph's order": (
        (2.0, 1.5, -inf),
        (False, ALL_SCHEDULES, 0.25),
        "not proven optimal: at most 25.00% might be saved",
    ),
    "everything is free": (
        (0.0, 0.0, -inf),
        (True, ALL_SCHEDULES, 0.0),
        "optimal: no other schedule costs less",
    ),
}


@pytest.mark.parametrize(("given", "proved", "claim"), CASES.values(), ids=CASES.keys())
def test_what_is_proved(
    given: tuple[float, float, float], proved: tuple[bool, str, float], claim: str
) -> None:
    total, bound, in_order_ = given
    certificate = Certificate.of("optimal", total, bound, in_order=in_order_, width=3, proof="it")
    exact, scope, gap = proved
    assert (certificate.exact, certificate.scope) == (exact, scope)
    assert certificate.gap == pytest.approx(gap)
    assert certificate.claim == claim
    assert certificate.lower_bound <= certificate.total
    assert (certificate.width, certificate.proof) == (3, "it")


def test_a_certificate_in_a_line() -> None:
    certificate = Certificate.of("greedy", 2e-6, 1e-6)
    assert str(certificate) == (
        "greedy: total 2e-06, bound 1e-06, not proven optimal: at most 50.00% might be saved"
    )


def test_an_assignment_as_text() -> None:
    assignment = Assignment({"a": "cpu", "b": "pim"})
    assert str(assignment) == "a -> cpu\nb -> pim"
    assert [assignment[node] for node in assignment] == ["cpu", "pim"]


def test_an_assignment_names_nodes_in_the_order_of_the_table() -> None:
    table = cost_table("a: cpu 1\n b: gang 1\n c: cpu 1")
    devices = placed("cpu: a, c; gang: b")
    schedule = in_order(table, devices, ("c", "b", "a"))
    assert [*assignment_of(table, schedule)] == ["a", "b", "c"]


#: What the node itself costs there, what the plan costs more by it, how many times faster it
#: would have to be.
SPEEDUPS = {
    "as good already": (3.0, 0.0, 1.0),
    "twice as fast would do": (4.0, 2.0, 2.0),
    "free would not do": (4.0, 4.0, None),
    "no plan has it there": (4.0, inf, None),
}


@pytest.mark.parametrize(("own", "extra", "speedup"), SPEEDUPS.values(), ids=SPEEDUPS.keys())
def test_speedup(own: float, extra: float, speedup: float | None) -> None:
    assert Alternative("pim", own, 10 + extra, extra).speedup == speedup


def test_a_node_that_was_not_asked_about() -> None:
    alternatives = Explain(("relu",))(cost_table("relu: cpu 1\n b: cpu 1"))
    with pytest.raises(UsageError, match="no node 'rely'") as error:
        alternatives.why("rely")
    assert "did you mean 'relu'?" in error.value.fix


def test_a_notebook_shows_what_is_proved_and_the_stages() -> None:
    shown = Partition()(cost_table("a: cpu 3\n b(a): cpu 2"))._repr_html_()
    assert "<caption>optimal: 5.00 µs; optimal: no other schedule costs less</caption>" in shown
    assert "<tr><td>0</td><td>cpu</td><td>2</td><td>a</td></tr>" in shown
