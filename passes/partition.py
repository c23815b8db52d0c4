"""The assignment that costs least, on any graph, with the proof.

Exact: variable elimination over a tree decomposition of the graph (passes/exact). Networks have
small width, so this takes milliseconds, and time grows linearly with the number of nodes.

    a -> b -> d      run_s: everywhere 1 µs, but b on pim is free; a copy costs 0.4 µs
    a ------> d      a: host, b: pim, d: host = 1 + 0.4 + 0 + 0.4 + 1
"""

import math
from dataclasses import dataclass

import numpy as np

from stagecut.compiler.assignment import Assignment, Certificate
from stagecut.compiler.costs import CostTable
from stagecut.compiler.errors import UnplaceableError
from stagecut.compiler.objective import evaluate
from stagecut.compiler.prices import LATENCY, Objective
from stagecut.compiler.solution import Solution
from stagecut.passes.exact.columns import Columns, columns
from stagecut.passes.exact.elimination import minimise
from stagecut.passes.exact.factor_graph import Ints
from stagecut.passes.exact.model import model
from stagecut.passes.exact.ordering import elimination_order


@dataclass(frozen=True, slots=True)
class Partition:
    """Ties go to the earlier device within a memory, and are always broken the same way."""

    objective: Objective = LATENCY

    def __call__(self, table: CostTable) -> Solution:
        """Raises UnplaceableError when missing links leave no way to run the graph at all."""
        arrays = columns(table, self.objective)
        problem = model(arrays)
        order = elimination_order(problem.graph)
        minimum = minimise(problem.graph, order)
        if math.isinf(minimum.value):
            raise UnplaceableError(
                "values cannot get from the devices that write them to those that read them",
                where="links",
                fix="add a link between the memories, or the values' own move_s",
            )
        assignment = _assignment(table, arrays, problem.places(minimum.states))
        breakdown = evaluate(table, assignment, objective=self.objective)
        total = breakdown.total(self.objective)
        # The one comes from the definition, the other from the elimination: a bug if they differ.
        if not math.isclose(total, minimum.value, rel_tol=1e-9):
            raise AssertionError(f"total {total!r}, optimum {minimum.value!r}")
        certificate = Certificate("optimal", total, minimum.value, exact=True, width=order.width)
        return Solution(assignment, certificate, self.objective, breakdown)


def _assignment(table: CostTable, arrays: Columns, places: Ints) -> Assignment:
    names = [device.name for device in table.machine.devices]
    devices = arrays.device[np.arange(len(places)), places].tolist()
    return Assignment(
        {node.name: names[device] for node, device in zip(table.nodes, devices, strict=True)}
    )
