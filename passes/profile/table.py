"""The cost table of a graph: what models say where there is one, else what was measured.

node a    on cpu: measured 3 us     on pim: its model says 1 us     ->  a: cpu 3, pim 1
"""

from dataclasses import replace
from typing import Protocol

from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import Cost, CostTable, Endpoint, NodeCosts, Spread, ValueCosts
from stagecut.compiler.ir.graph import Node, Value
from stagecut.compiler.ir.machine import HOST, Device, Route
from stagecut.passes.profile.estimates import Estimates


class Measured(Protocol):
    """What real devices and links were seen to take."""

    def start_s(self, device: Device) -> float:
        """What starting a stage takes on a device that is measured."""
        ...

    def run(self, node: Node, device: str) -> Cost: ...

    def transfer(self, value: Value, route: Route) -> Cost | None:
        """None where it was not measured, as nothing needs it."""
        ...


def table_of(expanded: ExpandedGraph, estimates: Estimates, measured: Measured) -> CostTable:
    """`estimates` has None for what `measured` is asked about."""
    graph = expanded.graph
    devices = tuple(
        replace(device, stage_s=measured.start_s(device)) if device.basis == "measured" else device
        for device in expanded.machine.devices
    )
    return CostTable(
        name=graph.name,
        machine=replace(expanded.machine, devices=devices),
        values=tuple(_value_costs(value, estimates, measured) for value in graph.values),
        nodes=tuple(
            _node_costs(node, expanded.candidates[node.name], estimates, measured)
            for node in graph.nodes
        ),
        inputs=tuple(Endpoint(value.name, HOST) for value in graph.inputs),
        outputs=tuple(Endpoint(value.name, HOST) for value in graph.outputs),
    )


def _node_costs(
    node: Node, devices: tuple[str, ...], estimates: Estimates, measured: Measured
) -> NodeCosts:
    run_s: dict[str, float] = {}
    run_j: dict[str, float] = {}
    spreads: dict[str, Spread] = {}
    resident_bytes: dict[str, int] = {}
    for name in devices:
        estimate = estimates.nodes[node.name, name]
        if estimate is None:
            cost = measured.run(node, name)
        else:
            cost = Cost(estimate.run_s, estimate.energy_j)
            if estimate.weight_bytes is not None:
                resident_bytes[name] = estimate.weight_bytes
        run_s[name] = cost.time_s
        if cost.energy_j is not None:
            run_j[name] = cost.energy_j
        if cost.spread is not None:
            spreads[name] = cost.spread
    return NodeCosts(
        name=node.name,
        op=node.op,
        run_s=run_s,
        inputs=tuple(value.name for value in node.inputs),
        outputs=tuple(value.name for value in node.outputs),
        weight_bytes=node.weight_bytes,
        run_j=run_j,
        run_spread=spreads,
        resident_bytes=resident_bytes,
    )


def _value_costs(value: Value, estimates: Estimates, measured: Measured) -> ValueCosts:
    transfer_s: dict[Route, float] = {}
    transfer_j: dict[Route, float] = {}
    spreads: dict[Route, Spread] = {}
    for route in estimates.routes:
        estimate = estimates.transfers[route, value.name]
        if estimate is not None:
            cost: Cost | None = Cost(estimate.run_s, estimate.energy_j)
        else:
            cost = measured.transfer(value, route)
        if cost is None:
            continue
        transfer_s[route] = cost.time_s
        if cost.energy_j is not None:
            transfer_j[route] = cost.energy_j
        if cost.spread is not None:
            spreads[route] = cost.spread
    return ValueCosts(value.name, value.size_bytes, transfer_s, transfer_j, spreads)
