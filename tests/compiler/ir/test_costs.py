"""A cost table that exists is valid, however it was made; and what a move costs."""

from collections.abc import Callable
from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest

from stagecut.compiler.ir.costs import CostTable, Moves
from stagecut.compiler.ir.errors import StagecutError
from stagecut.compiler.ir.machine import Link
from tests.support.tables import US, cost_table


def _table() -> CostTable:
    return cost_table("a(x): cpu 1, pim 1\n b(a): cpu 1", inputs="x@host")


def _node(**changes: Any) -> Callable[[], CostTable]:
    table = _table()
    return lambda: replace(table, nodes=(replace(table.nodes[0], **changes), table.nodes[1]))


def _value(**changes: Any) -> Callable[[], CostTable]:
    table = _table()
    return lambda: replace(table, values=(replace(table.values[0], **changes), *table.values[1:]))


def _power(power_w: float) -> Callable[[], CostTable]:
    table = _table()
    cpu, *others = table.machine.devices
    devices = (replace(cpu, power_w=power_w), *others)
    return lambda: replace(table, machine=replace(table.machine, devices=devices))


def _link(latency_s: float, bytes_per_s: float) -> Callable[[], CostTable]:
    table = _table()
    links = (Link("host", "pim", latency_s, bytes_per_s),)
    return lambda: replace(table, machine=replace(table.machine, links=links))


BAD = {
    "nan on a device": (_node(run_s={"cpu": nan}), "nodes[0].run_s.cpu"),
    "infinite energy": (_node(run_j={"cpu": inf}), "nodes[0].run_j.cpu"),
    "weights of negative size": (_node(weight_bytes=-1), "nodes[0].weight_bytes"),
    "weights that give room back": (
        _node(held_bytes={"cpu": 4, "pim": -1}),
        "nodes[0].held_bytes.pim",
    ),
    "weights on an unknown device": (_node(held_bytes={"gpu": 1}), "nodes[0].held_bytes.gpu"),
    "a device that makes power": (_power(-1.0), "devices[0].power_w"),
    "a value of negative size": (_value(size_bytes=-1), "values[0].size_bytes"),
    "a negative move": (_value(move_s={("host", "pim"): -1.0}), "values[0].move_s.host>pim"),
    "a move inside a memory": (_value(move_j={("pim", "pim"): 0.0}), "values[0].move_j.pim>pim"),
    "a move from nowhere": (_value(move_s={("l2", "pim"): 0.0}), "values[0].move_s.l2>pim"),
    "a link of negative latency": (_link(-1, 1), "links[0].latency_s"),
    "a link without bandwidth": (_link(0, 0), "links[0].bytes_per_s"),
}


@pytest.mark.parametrize(("make", "where"), BAD.values(), ids=BAD.keys())
def test_bad_tables_cannot_be_made(make: Callable[[], CostTable], where: str) -> None:
    with pytest.raises(StagecutError) as error:
        make()
    assert error.value.where == where
    assert error.value.fix


DEVICES = {"cpu": "host", "pim": "pim", "npu": "npu"}

MOVES = {
    "nothing inside a memory": ({"host>npu": 9}, "host>host", 0),
    "the value's own figure, though a chain is cheaper": (
        {"host>npu": 9, "host>pim": 1, "pim>npu": 1},
        "host>npu",
        9,
    ),
    "the cheapest chain where there is no figure": (
        {"host>pim": 1, "pim>npu": 1, "npu>host": 1},
        "pim>host",
        2,
    ),
    "infinity where no chain leads": ({"host>pim": 1}, "pim>npu", inf),
}


@pytest.mark.parametrize(("move_us", "route", "total_us"), MOVES.values(), ids=MOVES.keys())
def test_a_move_takes(move_us: dict[str, float], route: str, total_us: float) -> None:
    table = cost_table("a: cpu 1", devices=DEVICES, move_us=move_us)
    source, target = route.split(">")
    assert Moves(table).time_s("a", source, target) == pytest.approx(total_us * US)


def test_a_link_serves_values_without_a_figure_of_their_own() -> None:
    table = cost_table("a: cpu 1", move_us={"host>pim": 5})
    links = (Link("host", "pim", 1e-6, 1e9), Link("pim", "host", 1e-6, 1.024e9))
    moves = Moves(replace(table, machine=replace(table.machine, links=links)))
    assert moves.time_s("a", "host", "pim") == pytest.approx(5e-6)
    assert moves.time_s("a", "pim", "host") == pytest.approx(2e-6)


def test_the_fastest_of_several_links_depends_on_the_size() -> None:
    table = cost_table("a: cpu 1\n b: cpu 1", move_us={}, sizes={"a": 10, "b": 10_000})
    links = (Link("host", "pim", 0.0, 1e9), Link("host", "pim", 1e-6, 1e10))
    moves = Moves(replace(table, machine=replace(table.machine, links=links)))
    assert moves.time_s("a", "host", "pim") == pytest.approx(10e-9)
    assert moves.time_s("b", "host", "pim") == pytest.approx(2e-6)
