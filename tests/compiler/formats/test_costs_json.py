"""Cost tables as files: what comes back, in which order, and what is said about bad ones."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagecut.compiler.formats import costs_schema
from stagecut.compiler.formats.costs_json import read_costs, write_costs
from stagecut.compiler.ir.amounts import MOST
from stagecut.compiler.ir.costs import Budget, CostTable, Endpoint, NodeCosts, Spread, ValueCosts
from stagecut.compiler.ir.errors import StagecutError
from stagecut.compiler.ir.machine import Device, Host, Link, Machine, Memory, Resource, Route
from tests.support.tables import cost_tables

#: A table as it was written before there were budgets, hosts, resources and links without figures.
FIRST = Path(__file__).parents[2] / "golden" / "costs-1.json"
BACK = Route("pim", "host")

EVERYTHING = CostTable(
    "every key",
    Machine(
        (Memory("host"), Memory("pim", 1 << 20), Memory("far", host="other")),
        (
            Device("cpu", "host", precision="f32", resource="cpu", cores=4),
            Device("pim.hbm", "pim", "modelled", 1e-6, "eight channels", precision="f16"),
        ),
        (
            Link("host", "pim", 1e-6, 1e10, "modelled"),
            Link("pim", "host", basis="modelled"),
            Link("host", "far"),
        ),
        (Host(loaded_factor=1.25), Host("other", "10.0.0.2", 1e-3, 1.5)),
        (Resource("cpu", 8), Resource("nic", 1, "other")),
    ),
    (
        ValueCosts("x", 64),
        ValueCosts(
            "y",
            64,
            {BACK: 0.1 + 0.2},
            {BACK: 5e-324},
            {BACK: Spread(5, 0.1, 0.2, 0.4)},
        ),
    ),
    (
        NodeCosts(
            "n",
            "Gemm",
            {"cpu": 1.0, "pim.hbm": 1e-9},
            ("x",),
            ("y",),
            4096,
            {"cpu": 3.0},
            {"cpu": Spread(5, 0.5, 0.9, 1.1)},
            {"pim.hbm": 8192},
            {"error": {"pim.hbm": 0.25}},
        ),
    ),
    (Endpoint("x", "host"),),
    (Endpoint("y", "host"),),
    (Budget("error", 1.5), Budget("energy", 0.0)),
)


@given(cost_tables())
def test_a_table_comes_back_bit_for_bit(table: CostTable) -> None:
    text = write_costs(table)
    assert read_costs(text) == table
    assert write_costs(read_costs(text)) == text


def test_every_key_comes_back() -> None:
    assert read_costs(write_costs(EVERYTHING)) == EVERYTHING


def test_a_table_without_anything_new_is_written_as_it_was_before() -> None:
    text = FIRST.read_text("utf-8")
    assert write_costs(read_costs(text)) == text


def test_what_a_table_does_not_say_is_as_it_was_before() -> None:
    machine = read_costs(FIRST).machine
    assert machine.hosts == (Host(),)
    assert [(device.precision, device.resource, device.cores) for device in machine.devices] == [
        ("", "", 1)
    ] * 2
    assert {link.basis for link in machine.links} == {"measured"}


@given(st.floats(min_value=0, max_value=MOST))
def test_every_float_comes_back(cost: float) -> None:
    document = _document()
    document["nodes"][0]["run_s"]["cpu"] = cost
    assert read_costs(json.dumps(document)).nodes[0].run_s["cpu"] == cost


def test_a_file_is_read_like_its_text(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    path.write_text(write_costs(EVERYTHING), "utf-8")
    assert read_costs(path) == EVERYTHING


def test_nodes_are_sorted_and_stay_put_where_they_can() -> None:
    document = _document()
    a, b, c, d = document["nodes"]
    document["nodes"] = [d, c, b, a]
    assert [node.name for node in read_costs(json.dumps(document)).nodes] == ["d", "a", "b", "c"]


def _document() -> dict[str, Any]:
    """Nodes a -> b -> c, and d on its own; two memories."""
    move_s = {"host>pim": 1e-6, "pim>host": 2e-6}
    return {
        "schema": "stagecut.costs/1",
        "name": "example",
        "memories": ["host", {"name": "pim", "capacity_bytes": 100}],
        "devices": [{"name": "cpu", "memory": "host"}, {"name": "pim", "memory": "pim"}],
        "links": [{"source": "host", "target": "pim", "latency_s": 0, "bytes_per_s": 1e9}],
        "inputs": [{"name": "x", "memory": "host"}],
        "outputs": [{"name": "c", "memory": "host"}],
        "values": [{"name": name, "size_bytes": 4, "move_s": dict(move_s)} for name in "xabcd"],
        "nodes": [
            {
                "name": name,
                "op": "Add",
                "run_s": {"cpu": 1e-6, "pim": 2e-6},
                "inputs": list(reads),
                "outputs": [name],
            }
            for name, reads in (("a", "x"), ("b", "a"), ("c", "b"), ("d", ""))
        ],
    }


def _set(path: str, entry: object) -> Callable[[dict[str, Any]], None]:
    """Write `entry` at a path like `nodes.3.run_s.pim`."""

    def change(document: dict[str, Any]) -> None:
        *steps, last = (int(step) if step.isdigit() else step for step in path.split("."))
        at: Any = document
        for step in steps:
            at = at[step]
        at[last] = entry

    return change


def _cycle(document: dict[str, Any]) -> None:
    document["nodes"][0]["inputs"] = ["c"]


BAD = {
    "a newer schema": (_set("schema", "stagecut.costs/2"), "schema", "'stagecut.costs/2'"),
    "an unknown key": (_set("nodes.2.colour", "red"), "nodes[2].colour", "unknown key"),
    "a key that is missing": (_set("nodes.1", {"name": "b"}), "nodes[1].op", "is missing"),
    "a negative cost": (_set("nodes.3.run_s.pim", -1.0), "nodes[3].run_s.pim", "-1.0"),
    "NaN": (_set("nodes.3.run_s.pim", float("nan")), "nodes[3].run_s.pim", "nan is not a cost"),
    "infinity": (_set("devices.1.stage_s", float("inf")), "devices[1].stage_s", "inf is not a"),
    "a cost as text": (_set("nodes.0.run_s.cpu", "1"), "nodes[0].run_s.cpu", "'1' is not a cost"),
    "a size with a fraction": (_set("values.0.size_bytes", 1.5), "values[0].size_bytes", "integer"),
    "a negative size": (_set("nodes.0.weight_bytes", -1), "nodes[0].weight_bytes", "negative"),
    "a negative room": (_set("nodes.0.held_bytes", {"pim": -1}), "nodes[0].held_bytes.pim", "neg"),
    "power as text": (_set("devices.0.power_w", "9"), "devices[0].power_w", "'9' is not a cost"),
    "no cores": (_set("devices.0.cores", 0), "devices[0].cores", "greater than 0"),
    "a limit that is negative": (
        _set("budgets", [{"name": "error", "limit": -1.0}]),
        "budgets[0].limit",
        "negative",
    ),
    "two budgets of one name": (
        _set("budgets", [{"name": "error", "limit": 1.0}] * 2),
        "budgets[1].name",
        "taken by budgets[0]",
    ),
    "an unknown budget": (
        _set("nodes.1.uses", {"error": {"cpu": 1.0}}),
        "nodes[1].uses.error",
        "no budget 'error'",
    ),
    "a latency without a bandwidth": (
        _set("links.0", {"source": "host", "target": "pim", "latency_s": 1.0}),
        "links[0].bytes_per_s",
        "is missing",
    ),
    "a bandwidth of nothing": (_set("links.0.bytes_per_s", 0), "links[0].bytes_per_s", "greater"),
    "a made-up basis": (_set("devices.0.basis", "guessed"), "devices[0].basis", "measured"),
    "an unknown device": (_set("nodes.3.run_s.gpu", 1.0), "nodes[3].run_s.gpu", "no device 'gpu'"),
    "no device": (_set("nodes.3.run_s", {}), "nodes[3].run_s", "no device can run node 'd'"),
    "no devices at all": (_set("devices", []), "devices", "no device"),
    "an unknown memory": (_set("devices.1.memory", "l2"), "devices[1].memory", "no memory 'l2'"),
    "an unknown route": (_set("values.1.move_s.host>l2", 0), "values[1].move_s.host>l2", "route"),
    "a transfer to where it is": (
        _set("values.1.move_s.pim>pim", 0),
        "values[1].move_s.pim>pim",
        "rou",
    ),
    "a memory named like a route": (_set("memories.0", "a>b"), "memories[0].name", "'a>b'"),
    "an unknown value": (_set("nodes.2.inputs.0", "z"), "nodes[2].inputs[0]", "no value 'z'"),
    "an unknown output": (_set("outputs.0.name", "z"), "outputs[0].name", "no value 'z'"),
    "two nodes of one name": (_set("nodes.3.name", "a"), "nodes[3].name", "taken by nodes[0]"),
    "two values of one name": (_set("values.3.name", "x"), "values[3].name", "taken by values[0]"),
    "two devices of one name": (_set("devices.1.name", "cpu"), "devices[1]", "by devices[0]"),
    "two memories of one name": (_set("memories.1", "host"), "memories[1]", "by memories[0]"),
    "two producers": (_set("nodes.3.outputs", ["a"]), "nodes[3].outputs[0]", "by node 'a'"),
    "an input that is written": (_set("inputs.0.name", "a"), "inputs[0].name", "node 'a' writes"),
    "a cycle": (_cycle, "nodes[0].inputs", "a -> b -> c -> a"),
    "a node that reads itself": (_set("nodes.3.inputs", ["d"]), "nodes[3].inputs", "d -> d"),
}


def test_a_key_that_stands_there_twice() -> None:
    text = write_costs(EVERYTHING).replace('"cpu": 1.0', '"cpu": 1.0, "cpu": 2.0')
    with pytest.raises(StagecutError, match="twice") as error:
        read_costs(text)
    assert error.value.where == "nodes[0].run_s.cpu"


@pytest.mark.parametrize(("change", "where", "problem"), BAD.values(), ids=BAD.keys())
def test_bad_tables(change: Callable[[dict[str, Any]], None], where: str, problem: str) -> None:
    document = _document()
    read_costs(json.dumps(document))
    change(document)
    with pytest.raises(StagecutError) as error:
        read_costs(json.dumps(document))
    assert error.value.where == where
    assert problem in error.value.problem
    assert error.value.fix


@pytest.mark.parametrize(
    ("first", "second", "where"),
    [('"op"', '"op": 3, "op"', "nodes[0].op"), ('"values"', '"values": 3, "values"', "values")],
)
def test_a_key_that_stands_twice_is_named_whatever_the_first_is(
    first: str, second: str, where: str
) -> None:
    with pytest.raises(StagecutError, match="stands there twice") as error:
        read_costs(write_costs(EVERYTHING).replace(first, second, 1))
    assert error.value.where == where


@pytest.mark.parametrize("factor", [0.5, -1.0])
def test_a_factor_is_no_less_than_one(factor: float) -> None:
    document = _document()
    document["hosts"] = [{"name": "local", "loaded_factor": factor}]
    with pytest.raises(StagecutError, match=f"{factor} is less than 1") as error:
        read_costs(json.dumps(document))
    assert error.value.where == "hosts[0].loaded_factor"


@pytest.mark.parametrize("text", ["", "nonsense", "[]", "{", '"text"', "\ufeff{}"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(StagecutError) as error:
        read_costs(text)
    assert error.value.fix


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StagecutError, match="No such file") as error:
        read_costs(tmp_path / "none.json")
    assert error.value.where == str(tmp_path / "none.json")


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(StagecutError):
        read_costs(path)


def test_values_and_nodes_are_checked_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    text = write_costs(EVERYTHING)
    expected = read_costs(text)
    bad = _document()
    bad["values"].append({"name": "late", "size_bytes": -1})
    bad["nodes"][-1]["run_s"] = {"cpu": -1}
    with pytest.raises(StagecutError) as at_once:
        read_costs(json.dumps(bad))
    monkeypatch.setattr(costs_schema, "_AT_A_TIME", 1)
    assert read_costs(text) == expected
    with pytest.raises(StagecutError) as in_parts:
        read_costs(json.dumps(bad))
    assert str(in_parts.value) == str(at_once.value)
    assert "1 more violations follow" in str(in_parts.value)
