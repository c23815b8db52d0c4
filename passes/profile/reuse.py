"""Costs of real devices that were measured before, beside modelled devices that are asked anew.

What a node takes on a real device does not depend on which devices are modelled beside it, so that
a modelled device with other parameters needs no measuring:

    kept   a: cpu 3, pim 2  (16 channels)        now   a: cpu 3, pim 1  (64 channels)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stagecut.compiler.ir.candidates import ExpandedGraph
from stagecut.compiler.ir.costs import Cost, CostTable
from stagecut.compiler.ir.device import Backend
from stagecut.compiler.ir.errors import StageFault, UnplaceableError
from stagecut.compiler.ir.graph import Node, Value
from stagecut.compiler.ir.machine import Device, Route
from stagecut.passes.profile.estimates import Estimates
from stagecut.passes.profile.profile import Fault
from stagecut.passes.profile.table import table_of


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
        return table_of(expanded, Estimates.of(expanded, backends), _Kept(kept))
    except (StageFault, UnplaceableError, KeyError):
        return None


@dataclass(frozen=True, slots=True)
class _Kept:
    """What `table` has measured; raises KeyError for what it has not."""

    table: CostTable

    def start_s(self, device: Device) -> float:
        return self.table.machine.device_named[device.name].stage_s

    def run(self, node: Node, device: str) -> Cost:
        known = self.table.node_named[node.name]
        return Cost(
            known.run_s[device], known.run_j.get(device), spread=known.run_spread.get(device)
        )

    def transfer(self, value: Value, route: Route) -> Cost | None:
        known = self.table.value(value.name)
        if route not in known.transfer_s:
            return None
        return Cost(known.transfer_s[route], spread=known.transfer_spread.get(route))
