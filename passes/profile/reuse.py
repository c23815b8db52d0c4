"""Costs of real devices that were measured before, beside modelled devices that are asked anew.

What a node takes on a real device does not depend on which devices are modelled beside it, so that
a modelled device with other parameters needs no measuring:

    kept   a: cpu 3, pim 2  (16 channels)        now   a: cpu 3, pim 1  (64 channels)
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import CostTable, Endpoint, NodeCosts, Spread, ValueCosts
from stagecut.compiler.ir.device import Backend
from stagecut.compiler.ir.errors import StageFault, UnplaceableError
from stagecut.compiler.ir.graph import Node, Value
from stagecut.compiler.ir.machine import HOST, Route
from stagecut.passes.profile.estimates import Estimates
from stagecut.passes.profile.profile import Fault


def measured_question(expanded: ExpandedGraph) -> str:
    """What is to be measured, as text: the same for two graphs that differ in what is modelled."""
    devices = expanded.machine.devices
    measured = [device.name for device in devices if device.basis == "measured"]
    lines = [str(expanded.graph)]
    lines += [repr(device) for device in devices if device.basis == "measured"]
    lines += [repr(link) for link in expanded.machine.links if link.basis == "measured"]
    lines += [
        f"{node}: {', '.join(name for name in names if name in measured)}"
        for node, names in expanded.candidates.items()
    ]
    return "\n".join(lines)


def with_modelled(
    kept: CostTable,
    faults: Sequence[Fault],
    expanded: ExpandedGraph,
    backends: Mapping[str, Backend],
) -> CostTable | None:
    """The table that profiling would make, with what `kept` has measured and what the models say;
    None where that cannot be told: something was not measured then, or a model has no answer.

    `faults` are candidates that failed when `kept` was measured.
    """
    try:
        for fault in faults:
            expanded = expanded.without(fault.node, fault.device, fault.reason)
        return _table(kept, expanded, Estimates.of(expanded, backends))
    except (StageFault, UnplaceableError, KeyError):
        return None


def _table(kept: CostTable, expanded: ExpandedGraph, estimates: Estimates) -> CostTable:
    """Raises KeyError for what was not measured."""
    known = kept.machine.device_named
    devices = tuple(
        replace(device, stage_s=known[device.name].stage_s)
        if device.basis == "measured"
        else device
        for device in expanded.machine.devices
    )
    return CostTable(
        name=expanded.graph.name,
        machine=replace(expanded.machine, devices=devices),
        values=tuple(_value(value, kept, estimates) for value in expanded.graph.values),
        nodes=tuple(
            _node(node, expanded.candidates[node.name], kept, estimates)
            for node in expanded.graph.nodes
        ),
        inputs=tuple(Endpoint(value.name, HOST) for value in expanded.graph.inputs),
        outputs=tuple(Endpoint(value.name, HOST) for value in expanded.graph.outputs),
    )


def _node(node: Node, devices: tuple[str, ...], kept: CostTable, estimates: Estimates) -> NodeCosts:
    """Raises KeyError for a node or a device that is not known."""
    before = kept.node_named[node.name]
    run_s: dict[str, float] = {}
    run_j: dict[str, float] = {}
    spreads: dict[str, Spread] = {}
    resident: dict[str, int] = {}
    for name in devices:
        estimate = estimates.nodes[node.name, name]
        if estimate is None:
            run_s[name] = before.run_s[name]
            spreads |= {name: before.run_spread[name]} if name in before.run_spread else {}
            run_j |= {name: before.run_j[name]} if name in before.run_j else {}
            continue
        run_s[name] = estimate.run_s
        run_j |= {} if estimate.energy_j is None else {name: estimate.energy_j}
        resident |= {} if estimate.weight_bytes is None else {name: estimate.weight_bytes}
    return replace(before, run_s=run_s, run_j=run_j, run_spread=spreads, resident_bytes=resident)


def _value(value: Value, kept: CostTable, estimates: Estimates) -> ValueCosts:
    """Raises KeyError for a value that is not known."""
    before = kept.value(value.name)
    transfer_s: dict[Route, float] = {}
    transfer_j: dict[Route, float] = {}
    spreads: dict[Route, Spread] = {}
    for route in estimates.routes:
        estimate = estimates.transfers[route, value.name]
        if estimate is not None:
            transfer_s[route] = estimate.run_s
            transfer_j |= {} if estimate.energy_j is None else {route: estimate.energy_j}
        elif route in before.transfer_s:
            transfer_s[route] = before.transfer_s[route]
            spread = before.transfer_spread.get(route)
            spreads |= {} if spread is None else {route: spread}
    return ValueCosts(value.name, value.size_bytes, transfer_s, transfer_j, spreads)
