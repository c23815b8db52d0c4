"""What runs on each device, its share of the time, and why other nodes cannot run there."""

import math
from collections import Counter

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.machine import Device
from stagecut.compiler.ir.plan import PlannedVariant
from stagecut.compiler.ir.schedule import Run
from stagecut.compiler.report.model.alone import alone
from stagecut.compiler.report.model.content import EnergyShare, Share
from stagecut.compiler.report.model.figures import Figure
from stagecut.compiler.report.model.rows import DeviceRow, Refusal
from stagecut.compiler.report.model.stages import figure


def shares(planned: PlannedVariant) -> tuple[Share, ...]:
    """Where the predicted time goes: devices in the machine's order, then routes."""
    devices: dict[str, list[Figure]] = {device.name: [] for device in planned.machine.devices}
    routes: dict[str, list[Figure]] = {}
    for step, cost in zip(planned.schedule.steps, planned.account.steps, strict=True):
        if isinstance(step, Run):
            devices[planned.schedule.stages[step.stage].device].append(figure(cost))
        else:
            routes.setdefault(str(step.route), []).append(figure(cost))
    whole_s = planned.account.latency_s or 1.0
    used = {name: Figure.total(parts) for name, parts in devices.items() if parts}
    crossed = {name: Figure.total(parts) for name, parts in routes.items()}
    return (
        *(Share(name, "stage", part, part.time_s / whole_s) for name, part in used.items()),
        *(Share(name, "transfer", part, part.time_s / whole_s) for name, part in crossed.items()),
    )


def energy_shares(planned: PlannedVariant) -> tuple[EnergyShare, ...]:
    """Where the energy of a run goes: devices in the machine's order, then all transfers.

    Nothing where an energy is not known.
    """
    whole_j = planned.account.energy_j
    if not whole_j:
        return ()
    stages_j = {device.name: 0.0 for device in planned.machine.devices}
    transfers_j: list[float] = []
    for step, cost in zip(planned.schedule.steps, planned.account.steps, strict=True):
        if isinstance(step, Run):
            stages_j[planned.schedule.stages[step.stage].device] += cost.energy_j or 0.0
        else:
            transfers_j.append(cost.energy_j or 0.0)
    moved_j = math.fsum(transfers_j)
    return (
        *(EnergyShare(name, "stage", j, j / whole_j) for name, j in stages_j.items() if j),
        *(
            [EnergyShare("transfers", "transfer", moved_j, moved_j / whole_j)]
            if transfers_j
            else []
        ),
    )


def device_rows(planned: PlannedVariant, table: CostTable) -> tuple[DeviceRow, ...]:
    """One row for each device of the machine, used or not."""
    return tuple(_row(device, planned, table) for device in planned.machine.devices)


def _row(device: Device, planned: PlannedVariant, table: CostTable) -> DeviceRow:
    device_of = planned.schedule.device_of
    placed = [node for node in planned.nodes if device_of[node.name] == device.name]
    times_s = [
        cost.time_s
        for step, cost in zip(planned.schedule.steps, planned.account.steps, strict=True)
        if isinstance(step, Run) and planned.schedule.stages[step.stage].device == device.name
    ]
    refusals = Counter(
        node.refusals.get(device.name, "no cost is known")
        for node in planned.nodes
        if device.name not in node.run_s
    )
    return DeviceRow(
        name=device.name,
        memory=device.memory,
        basis=device.basis,
        description=device.description,
        spec=planned.provenance.devices.get(device.name, device.name),
        nodes=len(placed),
        stages=len(times_s),
        run=Figure(math.fsum(times_s), device.basis),
        peak_flop_per_s=device.peak_flop_per_s,
        peak_bytes_per_s=device.peak_bytes_per_s,
        flops=sum(node.flops for node in placed),
        weight_bytes=sum(table.node_named[node.name].bytes_on(device.name) for node in placed),
        capable=len(planned.nodes) - refusals.total(),
        refusals=tuple(Refusal(reason, nodes) for reason, nodes in refusals.most_common()),
        alone=alone(planned, table, device.name),
    )
