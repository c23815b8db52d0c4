"""A table for the same nodes with other edges is for another model, and refused as such.

An edge too many was a bare KeyError, one too few a schedule without a transfer that the run needs.
"""

from dataclasses import replace

import pytest

from stagecut.compiler import compile_model
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import CostTableError
from tests.support.onnx_models import MODELS
from tests.support.scattered import scattered_costs

DEVICES = ("cpu.serial", "null:memory=pim")
RESIDUAL = MODELS["residual"].proto()

#: The values that a node reads and writes in the table, and where that is wrong.
CASES = {
    "an edge too many": (
        "Add",
        ("r", "x", "h"),
        ("s",),
        "nodes[2].inputs",
        "only in the table",
    ),
    "an edge too few": ("Add", ("x",), ("s",), "nodes[2].inputs", "only in the model"),
    "a value too few": ("Add_1", ("t", "s"), (), "nodes[4].outputs", "only in the model"),
}


def _table(name: str, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> CostTable:
    table = scattered_costs(RESIDUAL, DEVICES, seed=3, granularity="op")
    nodes = tuple(
        replace(node, inputs=inputs, outputs=outputs) if node.name == name else node
        for node in table.nodes
    )
    return replace(table, nodes=nodes, outputs=() if not outputs else table.outputs)


@pytest.mark.parametrize(
    ("name", "inputs", "outputs", "where", "problem"), CASES.values(), ids=CASES.keys()
)
def test_other_edges_are_refused(
    name: str, inputs: tuple[str, ...], outputs: tuple[str, ...], where: str, problem: str
) -> None:
    table = _table(name, inputs, outputs)
    with pytest.raises(CostTableError) as error:
        compile_model(RESIDUAL, devices=DEVICES, costs=table, granularity="op")
    assert error.value.where == where
    assert problem in error.value.problem
    assert error.value.fix
