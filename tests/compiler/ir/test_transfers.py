"""Which transfers a run of stages needs and when, drawn; and which way a value takes."""

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise, permutations
from math import inf
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import ScheduleError
from stagecut.compiler.ir.machine import Route
from stagecut.compiler.ir.objective import Objective
from stagecut.compiler.ir.schedule import Schedule, Stage
from stagecut.compiler.ir.transfers import (
    Ports,
    StageBorder,
    lay_out,
    route_tree,
    scheduled,
    stages_in,
    table_router,
)
from tests.support.tables import US, cost_table, cost_tables, in_order, placed

MEMORIES = {"cpu": "host", "pim": "pim", "far": "far"}

#: "device: inputs -> outputs" for each stage, the model's outputs, and what is to be done.
CASES = {
    "stages in one memory hand over for nothing": (
        ["cpu: x -> a", "cpu: a -> y"],
        "y",
        """
        run cpu: n0
        run cpu: n1
        """,
    ),
    "a value goes over once for two readers": (
        ["cpu: x -> a", "pim: a -> b", "cpu: b -> c", "pim: a, c -> y"],
        "y",
        """
        run cpu: n0
        transfer a: host > pim
        run pim: n1
        transfer b: pim > host
        run cpu: n2
        transfer c: host > pim
        run pim: n3
        transfer y: pim > host
        """,
    ),
    "an input that two memories read is transferred to one of them": (
        ["cpu: x -> a", "pim: x -> b", "cpu: a, b -> y"],
        "y",
        """
        run cpu: n0
        transfer x: host > pim
        run pim: n1
        transfer b: pim > host
        run cpu: n2
        """,
    ),
    "without a direct link, a value goes by way of another memory": (
        ["pim: x -> a", "far: a -> y"],
        "y",
        """
        transfer x: host > pim
        run pim: n0
        transfer a: pim > host
        transfer a: host > far
        run far: n1
        transfer y: far > host
        """,
    ),
    "what lies on the way has the value then, too": (
        ["pim: x -> a", "far: a -> b", "cpu: a, b -> y"],
        "y",
        """
        transfer x: host > pim
        run pim: n0
        transfer a: pim > host
        transfer a: host > far
        run far: n1
        transfer b: far > host
        run cpu: n2
        """,
    ),
    "an output that is read on stays where it must end": (
        ["pim: x -> y", "cpu: y -> z"],
        "y, z",
        """
        transfer x: host > pim
        run pim: n0
        transfer y: pim > host
        run cpu: n1
        """,
    ),
}


@pytest.mark.parametrize(("stages", "outputs", "expected"), CASES.values(), ids=CASES.keys())
def test_lay_out(stages: list[str], outputs: str, expected: str) -> None:
    borders = [_border(index, text) for index, text in enumerate(stages)]
    ends = [(name, "host") for name in outputs.split(", ")]
    schedule = lay_out(borders, {"x": "host"}, ends, _by_way_of_host)
    assert str(schedule).splitlines() == [line.strip() for line in expected.strip().splitlines()]


def _border(index: int, text: str) -> StageBorder:
    device, _, rest = text.partition(": ")
    reads, _, writes = rest.partition(" -> ")
    stage = Stage(device, (f"n{index}",))
    ports = Ports(tuple(reads.split(", ")), tuple(writes.split(", ")))
    return StageBorder(stage, MEMORIES[device], [ports])


def _by_way_of_host(value: str, source: str) -> dict[str, str]:
    others = [memory for memory in MEMORIES.values() if memory != source]
    return {memory: source if "host" in {source, memory} else "host" for memory in others}


def test_an_input_without_a_start_is_wherever_it_is_wanted() -> None:
    schedule = lay_out([_border(0, "pim: x, z -> y")], {"x": "host"}, [], _by_way_of_host)
    assert str(schedule) == "transfer x: host > pim\nrun pim: n0"


def test_where_no_way_leads() -> None:
    with pytest.raises(ScheduleError, match="cannot be transferred from host to pim") as error:
        lay_out([_border(0, "pim: x -> y")], {"x": "host"}, [], lambda *_: {})
    assert error.value.where == "value x"


#: What each way costs, and the memory before each other one on the way from host.
TREES = {
    "direct ways": ({"host>a": 1, "host>b": 1, "a>b": 0}, {"a": "host", "b": "host"}),
    "a direct way is taken though a chain is cheaper": (
        {"host>a": 1, "a>b": 1, "host>b": 9},
        {"a": "host", "b": "host"},
    ),
    "a chain where there is no direct way": ({"host>a": 1, "a>b": 1}, {"a": "host", "b": "a"}),
    "a chain of three": (
        {"host>a": 1, "a>b": 1, "b>c": 1},
        {"a": "host", "b": "a", "c": "b"},
    ),
    "the cheaper of two chains": (
        {"host>a": 1, "host>b": 2, "a>c": 5, "b>c": 3},
        {"a": "host", "b": "host", "c": "b"},
    ),
    "of equal chains the earlier memory": (
        {"host>a": 1, "host>b": 1, "a>c": 1, "b>c": 1},
        {"a": "host", "b": "host", "c": "a"},
    ),
    "a longer chain that is cheaper": (
        {"host>a": 1, "a>b": 1, "b>c": 1, "a>c": 9},
        {"a": "host", "b": "a", "c": "b"},
    ),
    "a direct way stays though a chain behind it would be cheaper": (
        {"host>a": 9, "host>b": 1, "b>a": 1, "a>c": 1},
        {"a": "host", "b": "host", "c": "a"},
    ),
    "nothing leads there": ({"a>host": 1, "b>a": 1}, {}),
}


@pytest.mark.parametrize(("cost", "before"), TREES.values(), ids=TREES.keys())
def test_route_tree(cost: dict[str, float], before: dict[str, str]) -> None:
    found = route_tree("host", ("host", "a", "b", "c"), lambda route: cost.get(str(route)))
    assert found == before


ROUTES = [Route(*pair) for pair in permutations("habcd", 2)]


@given(st.dictionaries(st.sampled_from(ROUTES), st.integers(0, 4)))
def test_no_chain_is_cheaper_than_the_one_in_the_tree(costs: dict[Route, int]) -> None:
    """Against every walk that takes direct ways where there are any for what it reaches first."""
    before = route_tree("h", "habcd", costs.get)
    for memory in "abcd":
        cheapest = min(map(_price(costs), _walks(memory, costs)), default=inf)
        if memory not in before:
            assert cheapest == inf
        elif Route("h", memory) in costs:
            assert before[memory] == "h"
        else:
            assert _price(costs)(_walk(before, memory)) == cheapest


def _walks(memory: str, costs: dict[Route, int]) -> list[str]:
    """Every way from h, whose second stop alone may have a direct way from h."""
    walks = (
        "h" + "".join(middle) + memory
        for length in range(4)
        for middle in permutations([m for m in "abcd" if m != memory], length)
    )
    direct = {route.target for route in costs if route.source == "h"}
    return [walk for walk in walks if direct.isdisjoint(walk[2:])]


def _price(costs: dict[Route, int]) -> Callable[[str], float]:
    return lambda walk: sum(costs.get(Route(*pair), inf) for pair in pairwise(walk))


def _walk(before: dict[str, str], memory: str) -> str:
    walk = memory
    while walk[0] != "h":
        walk = before[walk[0]] + walk
    return walk


def test_the_objective_says_which_chain_is_the_cheapest() -> None:
    table = cost_table(
        "a: cpu 1",
        devices={"cpu": "host", "one": "one", "two": "two", "far": "far"},
        transfer_us={"host>one": 1, "one>far": 1, "host>two": 2, "two>far": 2},
    )
    joules = {
        Route("host", "one"): 9.0,
        Route("one", "far"): 0.0,
        Route("host", "two"): 0.0,
        Route("two", "far"): 0.0,
    }
    values = tuple(replace(value, transfer_j=joules) for value in table.values)
    table = replace(table, values=values)
    assert table_router(table)("a", "host")["far"] == "one"
    assert table_router(table, Objective(0.0, 1.0))("a", "host")["far"] == "two"


def test_stages_are_cut_where_the_device_changes() -> None:
    device_of = {"a": "p", "b": "q", "c": "p", "d": "p"}
    assert stages_in("abcd", device_of) == (
        Stage("p", ("a",)),
        Stage("q", ("b",)),
        Stage("p", ("c", "d")),
    )
    assert stages_in("acdb", device_of) == (Stage("p", ("a", "c", "d")), Stage("q", ("b",)))
    assert stages_in("", device_of) == ()


def test_a_schedule_for_a_table_is_one_that_it_accounts_for() -> None:
    table = cost_table(
        "a(x): cpu 1\n b(a): pim 1\n c(a, b): cpu 1", inputs="x@pim", outputs="c@pim, x@host"
    )
    schedule = in_order(table, placed("cpu: a, c; pim: b"))
    assert str(schedule).splitlines() == [
        "transfer x: pim > host",
        "run cpu: a",
        "transfer a: host > pim",
        "run pim: b",
        "transfer b: pim > host",
        "run cpu: c",
        "transfer c: host > pim",
    ]
    assert account(table, schedule).latency_s == pytest.approx(11 * US)


@given(cost_tables(max_nodes=7), st.randoms())
def test_what_a_table_wants_is_what_its_nodes_want(table: CostTable, random: Random) -> None:
    """Whatever runs, and in which order."""
    nodes = random.sample(table.nodes, random.randint(0, len(table.nodes)))
    device_of = {node.name: random.choice([*node.run_s]) for node in nodes}
    stages = stages_in([*device_of], device_of)
    borders = [
        StageBorder(
            stage,
            table.machine.memory_of(stage.device),
            [table.node_named[name] for name in stage.nodes],
        )
        for stage in stages
    ]
    starts = {end.name: end.memory for end in table.inputs}
    ends = [(end.name, end.memory) for end in table.outputs]
    try:
        expected = lay_out(borders, starts, ends, table_router(table))
    except ScheduleError as error:
        with pytest.raises(ScheduleError, match=re.escape(str(error))):
            scheduled(table, stages)
    else:
        assert scheduled(table, stages) == expected


def test_values_inside_a_stage_stay_there() -> None:
    table = cost_table("a: pim 1\n b(a): pim 1")
    assert scheduled(table, (Stage("pim", ("a", "b")),)) == Schedule.parse("run pim: a, b")
