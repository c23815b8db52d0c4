"""All values and all nodes are checked together, and what is said is of the first that is wrong."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import CostTableError
from stagecut.compiler.ir.machine import Route
from tests.support.tables import cost_table

TABLE = cost_table("a: cpu 1, pim 1\n b(a): cpu 1, pim 1\n c(b): cpu 1, pim 1")


def _with_nodes(**changes: object) -> CostTable:
    """The table whose last two nodes are changed."""
    first, *others = TABLE.nodes
    return replace(TABLE, nodes=(first, *(replace(node, **changes) for node in others)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"run_s": {"cpu": 1.0, "gpu": 1.0}}, "nodes[1].run_s.gpu"),
        ({"run_s": {"cpu": 1.0, "pim": -1.0}}, "nodes[1].run_s.pim"),
        ({"run_j": {"gpu": 1.0}}, "nodes[1].run_j.gpu"),
        ({"inputs": ("a", "nowhere")}, "nodes[1].inputs[1]"),
        ({"outputs": ("nowhere",)}, "nodes[1].outputs[0]"),
        ({"weight_bytes": -1}, "nodes[1].weight_bytes"),
        ({"resident_bytes": {"cpu": -1}}, "nodes[1].held_bytes.cpu"),
        ({"uses": {"nothing": {"cpu": 1.0}}}, "nodes[1].uses.nothing"),
        ({"outputs": ("a",)}, "nodes[1].outputs[0]"),
        ({"name": "a"}, "nodes[1].name"),
    ],
)
def test_the_first_node_that_is_wrong(changes: dict[str, object], where: str) -> None:
    with pytest.raises(CostTableError) as error:
        _with_nodes(**changes)
    assert error.value.where == where


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"size_bytes": -1}, "values[1].size_bytes"),
        ({"transfer_s": {Route("host", "pim"): -1.0}}, "values[1].move_s.host>pim"),
        ({"transfer_s": {Route("host", "host"): 1.0}}, "values[1].move_s.host>host"),
        ({"transfer_j": {Route("host", "gpu"): 1.0}}, "values[1].move_j.host>gpu"),
        ({"name": "a"}, "values[1].name"),
    ],
)
def test_the_first_value_that_is_wrong(changes: dict[str, object], where: str) -> None:
    first, *others = TABLE.values
    values = (first, *(replace(value, **changes) for value in others))  # type: ignore[arg-type]
    with pytest.raises(CostTableError) as error:
        replace(TABLE, values=values)
    assert error.value.where == where


def test_the_largest_size() -> None:
    largest = 2**63 - 1
    assert _with_nodes(weight_bytes=largest).nodes[1].weight_bytes == largest
    with pytest.raises(CostTableError, match="9223372036854775808 is not a size"):
        _with_nodes(weight_bytes=largest + 1)
    with pytest.raises(CostTableError, match="a number of some 400 digits is not a size"):
        _with_nodes(weight_bytes=10**400)
