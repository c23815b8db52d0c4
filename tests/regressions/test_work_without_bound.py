"""Small inputs that ask for more work than any machine does: each meets a limit, and a sentence."""

import json
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T  # as ONNX's own examples write
from onnx import helper as h

from stagecut.compiler.formats.costs_json import read_costs
from stagecut.compiler.frontends import load_program
from stagecut.compiler.frontends.normal_form import limited_run
from stagecut.compiler.ir.errors import CostTableError, ModelError, ShapeError
from stagecut.passes.partition.exact import arrays
from stagecut.passes.partition.partition import Partition
from tests.support.synthetic_tables import transformer

X = h.make_tensor_value_info("x", T.FLOAT, [2])
Y = h.make_tensor_value_info("y", T.FLOAT, [2])
OPSETS = [h.make_opsetid("", 18), h.make_opsetid("my", 1)]


def _doubling(times: int) -> onnx.ModelProto:
    """F0 is two Relus, and each function after it calls the one before twice."""
    functions = []
    for number in range(times):
        op, domain = (f"F{number - 1}", "my") if number else ("Relu", "")
        nodes = [
            h.make_node(op, ["a"], ["t"], domain=domain),
            h.make_node(op, ["t"], ["b"], domain=domain),
        ]
        functions.append(h.make_function("my", f"F{number}", ["a"], ["b"], nodes, OPSETS))
    call = h.make_node(f"F{times - 1}", ["x"], ["y"], domain="my")
    graph = h.make_graph([call], "doubling", [X], [Y])
    return h.make_model(graph, opset_imports=OPSETS, functions=functions, ir_version=9)


def test_functions_that_double() -> None:
    assert len(load_program(_doubling(5)).model.graph) == 32
    with pytest.raises(ModelError, match="inlined it has 16777214 nodes: F0 alone"):
        load_program(_doubling(23))
    with pytest.raises(ModelError, match="more than a thousand million nodes"):
        load_program(_doubling(200))


def test_functions_whose_copies_need_more_names_than_can_be_tried() -> None:
    with pytest.raises(ModelError, match="65534 nodes"):
        load_program(_doubling(15))


def _endless(*condition: onnx.NodeProto, trips: int = 2**62) -> onnx.ModelProto:
    """The shape of `z` depends on what a loop without an end writes; `condition` computes `d` from
    the number of the turn, `i`, and from the last one, `c`."""
    c, v = (h.make_tensor_value_info(n, k, s) for n, k, s in (("c", T.BOOL, []), ("v", 1, [2])))
    ends = [h.make_tensor_value_info("d", T.BOOL, []), h.make_tensor_value_info("w", T.FLOAT, [2])]
    nodes = [*condition, h.make_node("Relu", ["v"], ["w"])]
    trip = h.make_tensor_value_info("i", T.INT64, [])
    body = h.make_graph(nodes, "body", [trip, c, v], ends)
    weights = [h.make_tensor("m", T.INT64, [], [trips]), h.make_tensor("on", T.BOOL, [], [True])]
    graph = h.make_graph(
        [h.make_node("Loop", ["m", "on", "x"], ["l"], body=body), h.make_node("NonZero", "l", "z")],
        "endless",
        [X],
        [h.make_tensor_value_info("z", T.INT64, [1, None])],
        initializer=weights,
    )
    return h.make_model(graph, opset_imports=OPSETS[:1], ir_version=9)


def test_a_loop_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limited_run, "_LIMIT_S", 0.2)
    with pytest.raises(ModelError, match=r"does not end within 0\.2 s on its sample inputs"):
        load_program(_endless(h.make_node("Equal", ["i", "i"], ["d"])))


def test_a_loop_that_nothing_ends() -> None:
    same = h.make_node("Identity", ["c"], ["d"])
    with pytest.raises(ModelError, match="makes 4611686018427387904 turns, as nothing in it"):
        load_program(_endless(same))
    assert load_program(_endless(same, trips=3)).measured["z"][0] == 1


def test_samples_that_no_memory_holds() -> None:
    open_x = h.make_tensor_value_info("x", T.FLOAT, ["N", 4])
    open_y = h.make_tensor_value_info("y", T.FLOAT, ["N", 4])
    graph = h.make_graph([h.make_node("Relu", ["x"], ["y"])], "g", [open_x], [open_y])
    model = h.make_model(graph, opset_imports=OPSETS[:1], ir_version=9)
    with pytest.raises(
        ShapeError, match=r"a tensor of this shape takes \d+ GiB, and .* are left"
    ) as error:
        load_program(model, shapes={"x": (10**12, 4)})
    assert error.value.where == "input x"
    given = np.ones((3, 4), np.float32)
    assert load_program(model, feeds={"x": given}).feeds["x"] is given


def test_samples_of_more_dimensions_than_arrays_have() -> None:
    many = [h.make_tensor_value_info(name, T.FLOAT, [1] * 70) for name in "xy"]
    graph = h.make_graph([h.make_node("Relu", ["x"], ["y"])], "g", many[:1], many[1:])
    with pytest.raises(ShapeError, match="a tensor of 70 dimensions cannot be made") as error:
        load_program(h.make_model(graph, opset_imports=OPSETS[:1], ir_version=9))
    assert error.value.where == "input x"


def _table(change: Callable[[dict[str, list[dict[str, object]]]], object]) -> str:
    table: dict[str, list[dict[str, object]]] = {
        "memories": [{"name": "h"}],
        "devices": [{"name": "c", "memory": "h"}],
        "values": [{"name": "v", "size_bytes": 1}],
        "nodes": [{"name": "n", "op": "A", "run_s": {"c": 1}, "outputs": ["v"]}],
    }
    change(table)
    return json.dumps({"schema": "stagecut.costs/1", "name": "t"} | table)


HUGE = {
    "bytes of a value": (
        lambda table: table["values"][0].update(size_bytes=10**400),
        "values[0].size_bytes: a number of some 400 digits is not a size",
    ),
    "bytes of weights": (
        lambda table: table["nodes"][0].update(weight_bytes=2**63),
        "nodes[0].weight_bytes: 9223372036854775808 is not a size",
    ),
    "bytes on a device": (
        lambda table: table["nodes"][0].update(held_bytes={"c": 10**400}),
        "nodes[0].held_bytes.c: a number of some 400 digits is not a size",
    ),
    "room": (
        lambda table: table["memories"][0].update(capacity_bytes=10**400),
        "memories[0].capacity_bytes: a number of some 400 digits is not a size",
    ),
    "seconds": (
        lambda table: table["nodes"][0].update(run_s={"c": 10**400}),
        "nodes[0].run_s.c: 1" + "0" * 59 + "... (401 characters) is not a cost",
    ),
    "memories": (
        lambda table: table["memories"].extend({"name": f"m{at}"} for at in range(2000)),
        "memories: there are 2001, and plans are made for 64 at the most",
    ),
    "devices": (
        lambda table: table["devices"].extend(
            {"name": f"d{at}", "memory": "h"} for at in range(2000)
        ),
        "devices: there are 2001, and plans are made for 1024 at the most",
    ),
}


@pytest.mark.parametrize(("change", "says"), HUGE.values(), ids=HUGE.keys())
def test_numbers_that_no_machine_has(
    change: Callable[[dict[str, list[dict[str, object]]]], object], says: str
) -> None:
    with pytest.raises(CostTableError) as error:
        read_costs(_table(change))
    assert str(error.value).startswith(says)


def test_more_transfers_than_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    table = transformer(20)
    monkeypatch.setattr(arrays, "_MOST_TRANSFERS", 21 * 9)
    assert Partition()(table).certificate.exact
    monkeypatch.setattr(arrays, "_MOST_TRANSFERS", 21 * 9 - 1)
    with pytest.raises(CostTableError, match="21 values between 3 memories are 189 transfers"):
        Partition()(table)
