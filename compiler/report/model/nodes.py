"""What each node, and each type of operator, costs on every device, or why it cannot run there."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stagecut.compiler.ir.costs import CostTable, NodeCosts
from stagecut.compiler.ir.machine import Device
from stagecut.compiler.ir.objective import LATENCY, parse_objective
from stagecut.compiler.ir.plan import PlannedNode, PlannedVariant
from stagecut.compiler.report.model.figures import Figure
from stagecut.compiler.report.model.rows import (
    Call,
    NodeRow,
    OperatorOn,
    OperatorRow,
    Option,
    Others,
)
from stagecut.compiler.report.model.what_if import Delta, WhatIf

_NOT_SAID = "what a stream would lose is not known node by node"


def node_rows(planned: PlannedVariant, table: CostTable) -> tuple[NodeRow, ...]:
    """One row for each node, in the graph's order."""
    extra = _Extra(planned, table)
    return tuple(_row(node, planned, table, extra) for node in planned.nodes)


@dataclass(frozen=True, slots=True)
class _Added:
    delta: Delta
    others: Others


class _Extra:
    """The added time of the plan with one node on another device.

    The totals that the plan holds, for which all other nodes are assigned anew, are used where the
    plan is the optimum by time and its own total is the least of them; elsewhere the answer is for
    moving the one node alone. There is none for streams, whose period is the busiest stage's.
    """

    def __init__(self, planned: PlannedVariant, table: CostTable) -> None:
        objective = parse_objective(planned.objective)
        self._device_of = planned.schedule.device_of
        self._least_s = planned.account.latency_s
        self._is_best = objective == LATENCY and planned.shipped.is_optimum
        self._streams = objective.streams
        self._what_if = WhatIf(table, planned.schedule, planned.account, objective)
        # another order of the nodes might save starts of stages
        ordered = any(device.stage_s for device in planned.machine.devices)
        self._rearranged: Others = "best in the graph's order" if ordered else "best"

    def __call__(self, node: PlannedNode, device: str) -> _Added:
        if self._streams:
            here = device == self._device_of[node.name]
            return _Added(Delta(0.0 if here else math.inf, "" if here else _NOT_SAID), "stay")
        total_s = node.totals.get(device)
        here_s = node.totals.get(self._device_of[node.name])
        if not self._is_best or total_s is None or here_s is None or not self._is_least(here_s):
            return _Added(self._what_if.delta(node.name, device), "stay")
        extra_s = 0.0 if self._is_least(total_s) else total_s - self._least_s
        return _Added(Delta(extra_s), self._rearranged)

    def _is_least(self, total_s: float) -> bool:
        """Whether it is the plan's own total, but for rounding."""
        return math.isclose(total_s, self._least_s, rel_tol=1e-9)


def _row(node: PlannedNode, planned: PlannedVariant, table: CostTable, extra: _Extra) -> NodeRow:
    costs = table.node_named[node.name]
    values = dict.fromkeys((*costs.inputs, *costs.outputs))
    value_bytes = sum(table.value(value).size_bytes for value in values)
    device = planned.machine.device(planned.schedule.device_of[node.name])
    return NodeRow(
        name=node.name,
        op=node.op,
        device=device.name,
        stage=planned.schedule.stage_of[node.name],
        operators=node.operators,
        inputs=costs.inputs,
        outputs=costs.outputs,
        flops=node.flops,
        weight_bytes=node.weight_bytes,
        touched_bytes=node.weight_bytes + value_bytes,
        run=Figure(node.run_s[device.name], device.basis),
        options=tuple(
            _option(node, costs, other, device.name, extra) for other in planned.machine.devices
        ),
    )


def _option(
    node: PlannedNode, costs: NodeCosts, device: Device, chosen: str, extra: _Extra
) -> Option:
    """The node on `device`; it runs on `chosen`."""
    if device.name not in node.run_s:
        reason = node.refusals.get(device.name, "no cost is known")
        return Option(device.name, None, reason, None, None)
    added = extra(node, device.name)
    extra_s = added.delta.extra_s
    spread = costs.run_spread.get(device.name)
    noise_s = _noise_s(costs, chosen) + _noise_s(costs, device.name)
    return Option(
        device=device.name,
        run=Figure(node.run_s[device.name], device.basis),
        reason=added.delta.refusal,
        extra_s=extra_s if math.isfinite(extra_s) else None,
        quartiles_s=(spread.p25_s, spread.p75_s) if spread else None,
        doubtful=device.name != chosen and abs(extra_s) < noise_s,
        others=added.others,
    )


def _noise_s(costs: NodeCosts, device: str) -> float:
    """Half the distance between the quartiles of what was measured; modelled times do not vary."""
    spread = costs.run_spread.get(device)
    return (spread.p75_s - spread.p25_s) / 2 if spread else 0.0


def close_calls(nodes: Sequence[NodeRow], count: int) -> tuple[Call, ...]:
    """The `count` choices in which moving one node would cost the plan least."""
    choices: dict[tuple[str, str, str], list[tuple[float, NodeRow, Option]]] = {}
    for node in nodes:
        for option in node.options:
            if option.device != node.device and option.extra_s is not None:
                choice = (node.op, node.device, option.device)
                choices.setdefault(choice, []).append((option.extra_s, node, option))
    closest = [(min(moves, key=lambda move: move[0]), len(moves)) for moves in choices.values()]
    closest.sort(key=lambda found: found[0][0])
    return tuple(
        Call(node.name, node.op, repeated, node.device, option)
        for (_, node, option), repeated in closest[:count]
    )


def operator_rows(nodes: Sequence[NodeRow], devices: Sequence[Device]) -> tuple[OperatorRow, ...]:
    """One row for each operator type, the one that takes most of the plan's time first."""
    by_op: dict[str, list[NodeRow]] = {}
    for node in nodes:
        by_op.setdefault(node.op, []).append(node)
    rows = [_operator_row(op, members, devices) for op, members in by_op.items()]
    return tuple(sorted(rows, key=lambda row: -row.run.time_s))


def _operator_row(op: str, nodes: Sequence[NodeRow], devices: Sequence[Device]) -> OperatorRow:
    return OperatorRow(
        op=op,
        nodes=len(nodes),
        run=Figure.total(node.run for node in nodes),
        devices=tuple(_operator_on(index, device, nodes) for index, device in enumerate(devices)),
    )


def _operator_on(index: int, device: Device, nodes: Sequence[NodeRow]) -> OperatorOn:
    capable = [run for node in nodes if (run := node.options[index].run)]
    placed = [node.run for node in nodes if node.device == device.name]
    return OperatorOn(
        device=device.name,
        capable=len(capable),
        capable_time=Figure(math.fsum(run.time_s for run in capable), device.basis),
        placed=len(placed),
        placed_time=Figure(math.fsum(run.time_s for run in placed), device.basis),
    )
