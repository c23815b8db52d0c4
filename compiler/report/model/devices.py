"""What each device was given, what it takes of the time, and what kept the rest away."""

import math
from collections import Counter

from stagecut.compiler.ir.account import evaluate
from stagecut.compiler.ir.assignment import Assignment
from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import AssignmentError
from stagecut.compiler.ir.machine import Device
from stagecut.compiler.ir.plan import Manifest
from stagecut.compiler.report.model.account import stage_times
from stagecut.compiler.report.model.content import DeviceRow, EnergyShare, Figure, Refusal, Share


def shares(manifest: Manifest) -> tuple[Share, ...]:
    """Where the predicted time goes: devices in the machine's order, then links."""
    devices: dict[str, list[Figure]] = {device.name: [] for device in manifest.machine.devices}
    for stage, time in zip(manifest.stages, stage_times(manifest), strict=True):
        devices[stage.device].append(time)
    links: dict[str, list[Figure]] = {}
    for copy in manifest.copies:
        route = f"{copy.source}>{copy.target}"
        links.setdefault(route, []).append(Figure(copy.move_s, copy.basis))
    used = {name: Figure.total(parts) for name, parts in devices.items() if parts}
    crossed = {name: Figure.total(parts) for name, parts in links.items()}
    whole_s = Figure.total((*used.values(), *crossed.values())).time_s or 1.0
    return (
        *(Share(name, "stage", part, part.time_s / whole_s) for name, part in used.items()),
        *(Share(name, "copy", part, part.time_s / whole_s) for name, part in crossed.items()),
    )


def energy_shares(manifest: Manifest) -> tuple[EnergyShare, ...]:
    """Where the energy of a run goes: devices in the machine's order, then all copies.

    Nothing where an energy is not known.
    """
    whole_j = manifest.predicted_j
    if not whole_j:
        return ()
    stages = {device.name: 0.0 for device in manifest.machine.devices}
    for stage in manifest.stages:
        stages[stage.device] += stage.energy_j or 0.0
    copies_j = max(0.0, whole_j - math.fsum(stages.values()))
    return (
        *(EnergyShare(name, "stage", j, j / whole_j) for name, j in stages.items() if j),
        *([EnergyShare("copies", "copy", copies_j, copies_j / whole_j)] if manifest.copies else []),
    )


def device_rows(manifest: Manifest, table: CostTable) -> tuple[DeviceRow, ...]:
    """One row for each device of the machine, used or not."""
    return tuple(_row(device, manifest, table) for device in manifest.machine.devices)


def _row(device: Device, manifest: Manifest, table: CostTable) -> DeviceRow:
    costs = {node.name: node for node in table.nodes}
    placed = [node for node in manifest.nodes if node.device == device.name]
    times_s = [
        time.time_s
        for stage, time in zip(manifest.stages, stage_times(manifest), strict=True)
        if stage.device == device.name
    ]
    refusals = Counter(
        node.refusals.get(device.name, "no cost is known")
        for node in manifest.nodes
        if device.name not in node.run_s
    )
    return DeviceRow(
        name=device.name,
        memory=device.memory,
        basis=device.basis,
        description=device.description,
        spec=manifest.provenance.devices.get(device.name, device.name),
        nodes=len(placed),
        stages=len(times_s),
        run=Figure(math.fsum(times_s), device.basis),
        peak_flop_per_s=device.peak_flop_per_s,
        peak_bytes_per_s=device.peak_bytes_per_s,
        flops=sum(node.flops for node in placed),
        weight_bytes=sum(costs[node.name].bytes_on(device.name) for node in placed),
        capable=len(manifest.nodes) - refusals.total(),
        refusals=tuple(Refusal(reason, nodes) for reason, nodes in refusals.most_common()),
        alone=_alone(device, table),
    )


def _alone(device: Device, table: CostTable) -> Figure | None:
    """The whole model on `device`, by the definition of the objective."""
    everywhere = Assignment({node.name: device.name for node in table.nodes})
    try:
        return Figure(evaluate(table, everywhere).total_s, device.basis)
    except AssignmentError:
        return None
