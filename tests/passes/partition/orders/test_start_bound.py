"""What starting stages takes at the least, by any flow: never above the truth."""

import math
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler.ir.objective import LATENCY
from stagecut.passes.partition.exact.arrays import table_arrays
from stagecut.passes.partition.exact.factor_graph import Ints
from stagecut.passes.partition.exact.problem import Problem
from stagecut.passes.partition.orders.best_order import starts_in
from stagecut.passes.partition.orders.precedence import Precedence
from stagecut.passes.partition.orders.start_bound import Flow, longest_path, start_bound
from tests.support.orders import every_order, every_path, precedence, precedences, starts_along
from tests.support.tables import cheapest_of_all, seeded_table

START = (1.0, 2.5, 0.25)


@st.composite
def flows(draw: st.DrawFn, found: Precedence) -> Flow:
    """A unit of flow along paths of all kinds."""
    paths = [*every_path(found)]
    flow = Flow(found)
    flow.mix(draw(st.sampled_from(paths)), 1.0)
    for path in draw(st.lists(st.sampled_from(paths), max_size=4)):
        flow.mix(path, draw(st.floats(0.0, 1.0)))
    return flow


@given(st.data())
def test_a_flow_is_one_unit_from_the_first_nodes_to_the_last(data: st.DataObject) -> None:
    found = data.draw(precedences())
    starts = data.draw(flows(found)).starts()
    assert starts.first_weight.sum() == pytest.approx(1.0)
    into = np.zeros(len(found))
    into[starts.first] += starts.first_weight
    np.add.at(into, starts.pairs[1], starts.pair_weight)
    out = np.zeros(len(found))
    np.add.at(out, starts.pairs[0], starts.pair_weight)
    for node, after in enumerate(found.after):
        assert not after or out[node] == pytest.approx(into[node])


@given(st.data())
def test_no_order_starts_for_less_than_any_flow(data: st.DataObject) -> None:
    """By the definition alone, whatever the assignment."""
    found = data.draw(precedences(max_nodes=6))
    starts = data.draw(flows(found)).starts()
    devices = data.draw(st.lists(st.integers(0, 2), min_size=len(found), max_size=len(found)))
    along = math.fsum(
        weight * START[devices[node]]
        for node, weight in zip(starts.first.tolist(), starts.first_weight.tolist(), strict=True)
    ) + math.fsum(
        weight * START[devices[node]]
        for (before, node), weight in zip(
            starts.pairs.T.tolist(), starts.pair_weight.tolist(), strict=True
        )
        if devices[before] != devices[node]
    )
    least = min(starts_in(order, devices, START) for order in every_order(found))
    assert along <= least + 1e-9


def test_no_flow_brings_the_bound_above_the_truth() -> None:
    """The problem with any flow in place of the starts: never above the cheapest schedule."""
    for seed in range(150):
        table = seeded_table(seed, max_nodes=5, min_memories=2, starts=1.0)
        least = cheapest_of_all(table)
        found = Precedence.of(table)
        paths = [*every_path(found)]
        random = Random(seed)  # noqa: S311
        flow = Flow(found)
        flow.mix(random.choice(paths), 1.0)
        for _ in range(4):
            problem = Problem.prepare(table_arrays(table, LATENCY), flow.starts())
            assert problem is not None
            assert least is None or problem.cheapest()[1] <= least + 1e-9
            flow.mix(random.choice(paths), random.random())


@pytest.mark.no_cover
def test_the_bound_rises_and_stays_below_the_truth() -> None:
    raised = 0
    for seed in range(60):
        table = seeded_table(seed, max_nodes=5, min_memories=2, starts=1.0)
        least = cheapest_of_all(table)
        if least is None:
            continue
        found = Precedence.of(table)
        problem = Problem.prepare(table_arrays(table, LATENCY), Flow(found).starts())
        assert problem is not None
        met: list[float] = []

        def offer(devices: Ints, met: list[float] = met) -> float:
            met.append(1.0)
            return math.inf  # nothing is ever good enough

        start = [device.stage_s for device in table.machine.devices]
        at_first = problem.cheapest()[1]
        bound = start_bound(problem, Flow(found), found, start, offer)
        assert at_first <= bound.bound <= least + 1e-9
        assert bound.problem.cheapest()[1] == pytest.approx(bound.bound)
        assert len(met) == 24
        raised += bound.bound > at_first
    assert raised > 15


def test_it_ends_where_the_bound_is_met() -> None:
    table = seeded_table(1, max_nodes=5, min_memories=2, starts=1.0)
    found = Precedence.of(table)
    problem = Problem.prepare(table_arrays(table, LATENCY), Flow(found).starts())
    assert problem is not None
    met: list[float] = []

    def offer(devices: Ints) -> float:
        met.append(0.0)
        return 0.0

    start_bound(problem, Flow(found), found, [1.0] * 4, offer)
    assert len(met) == 1


#: Edges, devices, and the path whose changes of device cost most.
PATHS = {
    "the one with more changes": ("a b(a) c(a) d(b,c)", (0, 1, 0, 0), "abd"),
    "of equals the longest": ("a b(a) c(b) d(a)", (0, 0, 0, 0), "abc"),
    "the expensive device": ("a b(a) c(a)", (0, 2, 1), "ac"),
    "the source that costs more to start": ("a b", (0, 1), "b"),
}


@pytest.mark.parametrize(("edges", "devices", "path"), PATHS.values(), ids=PATHS.keys())
def test_longest_path(edges: str, devices: tuple[int, ...], path: str) -> None:
    found = longest_path(precedence(edges), devices, START)
    assert "".join("abcd"[node] for node in found) == path


@given(precedences(), st.data())
def test_no_path_starts_for_more(found: Precedence, data: st.DataObject) -> None:
    devices = data.draw(st.lists(st.integers(0, 2), min_size=len(found), max_size=len(found)))
    path = longest_path(found, devices, START)
    assert path in [*every_path(found)]
    assert all(after in found.after[before] for before, after in pairwise(path))
    most = max(starts_along(each, devices, START) for each in every_path(found))
    assert starts_along(path, devices, START) == pytest.approx(most)
