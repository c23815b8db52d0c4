"""A cost table that exists is valid, however it was made; and what a transfer costs."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf, nan
from typing import Any

import numpy as np
import pytest

from stagecut.compiler.ir.costs import (
    ERROR,
    Budget,
    CostTable,
    with_energy_limit,
    with_error_limit,
    with_errors,
)
from stagecut.compiler.ir.errors import StagecutError
from stagecut.compiler.ir.machine import Link, Route
from stagecut.compiler.ir.transfers import table_router
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


def _budget(
    limit: float, uses: Mapping[str, Mapping[str, float]] | None = None
) -> Callable[[], CostTable]:
    table = _table()
    nodes = (replace(table.nodes[0], uses=uses or {}), *table.nodes[1:])
    return lambda: replace(table, nodes=nodes, budgets=(Budget("error", limit),))


def _link(latency_s: float, bytes_per_s: float) -> Callable[[], CostTable]:
    table = _table()
    links = (Link("host", "pim", latency_s, bytes_per_s),)
    return lambda: replace(table, machine=replace(table.machine, links=links))


BAD = {
    "nan on a device": (_node(run_s={"cpu": nan}), "nodes[0].run_s.cpu"),
    "infinite energy": (_node(run_j={"cpu": inf}), "nodes[0].run_j.cpu"),
    "weights of negative size": (_node(weight_bytes=-1), "nodes[0].weight_bytes"),
    "weights that give room back": (
        _node(resident_bytes={"cpu": 4, "pim": -1}),
        "nodes[0].held_bytes.pim",
    ),
    "weights on an unknown device": (_node(resident_bytes={"gpu": 1}), "nodes[0].held_bytes.gpu"),
    "a device that makes power": (_power(-1.0), "devices[0].power_w"),
    "a value of negative size": (_value(size_bytes=-1), "values[0].size_bytes"),
    "a negative transfer": (
        _value(transfer_s={Route("host", "pim"): -1.0}),
        "values[0].move_s.host>pim",
    ),
    "a transfer inside a memory": (
        _value(transfer_j={Route("pim", "pim"): 0.0}),
        "values[0].move_j.pim>pim",
    ),
    "a transfer from nowhere": (
        _value(transfer_s={Route("l2", "pim"): 0.0}),
        "values[0].move_s.l2>pim",
    ),
    "a link of negative latency": (_link(-1, 1), "links[0].latency_s"),
    "a link without bandwidth": (_link(0, 0), "links[0].bytes_per_s"),
    "a budget of negative size": (_budget(-1.0), "budgets[0].limit"),
    "a use of no budget": (_node(uses={"error": {"cpu": 1.0}}), "nodes[0].uses.error"),
    "a use of energy, which is run_j": (
        _node(uses={"energy": {"cpu": 1.0}}),
        "nodes[0].uses.energy",
    ),
    "a negative use": (_budget(1.0, {"error": {"cpu": -1.0}}), "nodes[0].uses.error.cpu"),
    "a use on an unknown device": (
        _budget(1.0, {"error": {"gpu": 1.0}}),
        "nodes[0].uses.error.gpu",
    ),
}


@pytest.mark.parametrize(("make", "where"), BAD.values(), ids=BAD.keys())
def test_bad_tables_cannot_be_made(make: Callable[[], CostTable], where: str) -> None:
    with pytest.raises(StagecutError) as error:
        make()
    assert error.value.where == where
    assert error.value.fix


DEVICES = {"cpu": "host", "pim": "pim", "npu": "npu"}

WAYS = {
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


@pytest.mark.parametrize(("transfer_us", "route", "total_us"), WAYS.values(), ids=WAYS.keys())
def test_a_way_takes(transfer_us: dict[str, float], route: str, total_us: float) -> None:
    table = cost_table("a: cpu 1", devices=DEVICES, transfer_us=transfer_us)
    source, target = Route.parse(route)
    before = table_router(table)("a", source)
    found, at = 0.0, target
    while at != source and at in before:
        step = table.transfer("a", Route(before[at], at))
        assert step is not None
        found, at = found + step.time_s, before[at]
    assert (found if at == source else inf) == pytest.approx(total_us * US)


def _time_s(table: CostTable, value: str, route: str) -> float:
    found = table.transfer(value, Route.parse(route))
    assert found is not None
    return found.time_s


def test_there_is_no_way_without_a_figure_or_a_link() -> None:
    table = cost_table("a: cpu 1", transfer_us={"host>pim": 5})
    assert table.transfer("a", Route("pim", "host")) is None


def test_a_link_serves_values_without_a_figure_of_their_own() -> None:
    table = cost_table("a: cpu 1", transfer_us={"host>pim": 5})
    links = (Link("host", "pim", 1e-6, 1e9), Link("pim", "host", 1e-6, 1.024e9))
    linked = replace(table, machine=replace(table.machine, links=links))
    assert _time_s(linked, "a", "host>pim") == pytest.approx(5e-6)
    assert _time_s(linked, "a", "pim>host") == pytest.approx(2e-6)


def test_the_fastest_of_several_links_depends_on_the_size() -> None:
    table = cost_table("a: cpu 1\n b: cpu 1", transfer_us={}, sizes={"a": 10, "b": 10_000})
    links = (
        Link("host", "pim", 0.0, 1e9, "modelled"),
        Link("host", "pim", 1e-6, 1e10, "measured"),
    )
    linked = replace(table, machine=replace(table.machine, links=links))
    assert _time_s(linked, "a", "host>pim") == pytest.approx(10e-9)
    assert _time_s(linked, "b", "host>pim") == pytest.approx(2e-6)
    bases = [linked.transfer(value, Route("host", "pim")) for value in ("a", "b")]
    assert [cost and cost.basis for cost in bases] == ["modelled", "measured"]


def test_a_run_costs_time_energy_and_says_how_that_is_known() -> None:
    table = replace(
        _table(), nodes=tuple(replace(node, run_j={"cpu": 7.0}) for node in _table().nodes)
    )
    assert (table.run("a", "cpu").time_s, table.run("a", "cpu").energy_j) == (1 * US, 7.0)
    assert (table.run("a", "pim").energy_j, table.run("a", "pim").basis) == (None, "measured")


def test_who_writes_and_who_reads() -> None:
    table = cost_table("a(x): cpu 1\n b(a): cpu 1\n c(b, a, a): cpu 1")
    assert table.producer == {"a": "a", "b": "b", "c": "c"}
    assert table.users == {"x": ("a",), "a": ("b", "c"), "b": ("c",)}


def test_nodes_are_sorted_where_they_are_not_in_order() -> None:
    table = cost_table("a: cpu 1\n b(a): cpu 1\n c: cpu 1\n d(b): cpu 1")
    a, b, c, d = table.nodes
    assert [n.name for n in replace(table, nodes=(d, c, b, a)).nodes] == ["c", "a", "b", "d"]
    assert replace(table, nodes=(c, a, b, d)).nodes == (c, a, b, d)


def test_a_limit_of_energy_needs_energies() -> None:
    with pytest.raises(StagecutError) as error:
        with_energy_limit(_table(), 1.0)
    assert error.value.where == "nodes[0].run_j.cpu"


def test_a_limit_of_energy_is_a_number_of_python_s_own() -> None:
    table = cost_table("a: cpu 1")
    nodes = (replace(table.nodes[0], run_j={"cpu": 0.25}),)
    values = (replace(table.values[0], transfer_s={}),)
    table = replace(table, nodes=nodes, values=values)
    [budget] = with_energy_limit(table, np.float32(0.5)).budgets  # type: ignore[arg-type]
    assert (budget.limit, type(budget.limit)) == (0.5, float)


def test_a_notebook_shows_what_nodes_take() -> None:
    shown = cost_table("a: cpu 3, pim 1\n b(a): cpu 2")._repr_html_()
    assert "<caption>test: 2 nodes</caption>" in shown
    assert "<th>cpu</th><th>gang</th><th>pim</th>" in shown
    assert "<tr><td>b</td><td>Op</td><td>2.00 µs</td><td></td><td></td></tr>" in shown


def test_errors_are_a_budget_with_a_limit_of_its_own() -> None:
    table = with_errors(_table(), {"a": {"pim": 0.04}}, 0.01)
    assert table.nodes[0].uses == {ERROR: {"pim": 0.04}}
    assert table.budgets == (Budget(ERROR, 0.01),)
    assert with_error_limit(table, 0.5).budgets == (Budget(ERROR, 0.5),)
    [free] = with_error_limit(table, None).budgets
    assert free.limit > 0.04
    again = with_errors(table, {}, 0.02)
    assert (again.nodes[0].uses, again.budgets) == ({}, (Budget(ERROR, 0.02),))


def test_a_table_without_errors_has_no_limit_on_them() -> None:
    assert with_error_limit(_table(), 0.5) == _table()
