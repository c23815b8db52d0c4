"""What each node, and each type of operator, costs on every device, or why it cannot run there."""

import math
from collections.abc import Mapping, Sequence

from stagecut.compiler.ir.costs import CostTable, NodeCosts
from stagecut.compiler.ir.machine import Device
from stagecut.compiler.ir.objective import LATENCY
from stagecut.compiler.ir.plan import Manifest, PlannedNode
from stagecut.compiler.report.model.content import (
    Call,
    Figure,
    NodeRow,
    OperatorOn,
    OperatorRow,
    Option,
)
from stagecut.compiler.report.model.summary import overruled
from stagecut.compiler.report.model.what_if import Elsewhere


def node_rows(manifest: Manifest, table: CostTable) -> tuple[NodeRow, ...]:
    """One row for each node, in the graph's order."""
    placed = {node.name: node.device for node in manifest.nodes}
    order = [name for stage in manifest.stages for name in stage.nodes]
    costs = {node.name: node for node in table.nodes}
    devices = manifest.machine.devices
    extra = _Extra(manifest, Elsewhere(table, placed, order))
    sizes = {value.name: value.size_bytes for value in table.values}
    return tuple(_row(node, costs[node.name], sizes, devices, extra) for node in manifest.nodes)


class _Extra:
    """What the plan would gain in time with a node elsewhere.

    The plan's own answers hold if it is the best by time; else the node is thought of as moved
    alone.
    """

    def __init__(self, manifest: Manifest, elsewhere: Elsewhere) -> None:
        self._least_s = manifest.certificate.total
        self._is_best = manifest.objective == str(LATENCY) and not overruled(manifest)
        self._elsewhere = elsewhere

    def is_known(self, node: PlannedNode, device: str) -> bool:
        """Whether everything else may be rearranged."""
        return self._is_best and device in node.totals

    def __call__(self, node: PlannedNode, device: str) -> float:
        if not self.is_known(node, device):
            return self._elsewhere.extra_s(node.name, device)
        total_s = node.totals[device]
        tie = math.isclose(total_s, self._least_s, rel_tol=1e-9)  # but for rounding
        return 0.0 if tie else total_s - self._least_s


def _row(
    node: PlannedNode,
    costs: NodeCosts,
    sizes: Mapping[str, int],
    devices: Sequence[Device],
    extra: _Extra,
) -> NodeRow:
    values = dict.fromkeys((*costs.inputs, *costs.outputs))
    basis = next(device.basis for device in devices if device.name == node.device)
    return NodeRow(
        name=node.name,
        op=node.op,
        device=node.device,
        stage=node.stage,
        operators=node.operators,
        inputs=costs.inputs,
        outputs=costs.outputs,
        flops=node.flops,
        weight_bytes=node.weight_bytes,
        touched_bytes=node.weight_bytes + sum(sizes[value] for value in values),
        run=Figure(node.run_s[node.device], basis),
        options=tuple(_option(node, costs, device, extra) for device in devices),
    )


def _option(node: PlannedNode, costs: NodeCosts, device: Device, extra: _Extra) -> Option:
    if device.name not in node.run_s:
        reason = node.refusals.get(device.name, "no cost is known")
        return Option(device.name, None, reason, None, None)
    extra_s = extra(node, device.name)
    cut_off = math.isinf(extra_s)
    spread = costs.run_spread.get(device.name)
    noise_s = _noise_s(costs, node.device) + _noise_s(costs, device.name)
    return Option(
        device=device.name,
        run=Figure(node.run_s[device.name], device.basis),
        reason="no link leads to its memory and back" if cut_off else "",
        extra_s=None if cut_off else extra_s,
        quartiles_s=(spread.p25_s, spread.p75_s) if spread else None,
        doubtful=device.name != node.device and abs(extra_s) < noise_s,
        rearranged=extra.is_known(node, device.name),
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
        Call(node.name, node.op, alike, node.device, option)
        for (_, node, option), alike in closest[:count]
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
