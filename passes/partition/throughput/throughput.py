"""The stream that lets most inputs through: stages, devices, batches and replicas, with the proof.

    cores 4        a: 4 ms     b: 4 ms on one core, or 1 ms on the accelerator
    2 x cpu: a     1 x npu: b             period 2 ms -> probes: can 4 ms be kept? 2 ms? 1 ms? ...

A probe finds the least units with which a period can be kept (probe.py). Every one that succeeds
is a pipeline with a period of its own, and the next one asks for less. The last one, which asks
for anything shorter than what was found, fails; its potentials are the proof.

The model: stages are contiguous; each has one device, with the batch that its costs are for, and
as many replicas as the resource has room for; values pass through the host's memory. Memory other
than the host's holds one stage. Sources: A. Benoit and Y. Robert, "Complexity results for
throughput and latency optimization of replicated and data-parallel workflows" (Algorithmica 57(4),
2010) for the problem; J. Tarnawski and others, "Efficient algorithms for device placement of DNN
graph operators" (2020) for dynamic programming over ideals.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.errors import AssignmentError, UnplaceableError
from stagecut.compiler.ir.machine import HOST, Machine
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.stream import (
    StreamCertificate,
    StreamSchedule,
    StreamSolution,
    stream_account,
)
from stagecut.compiler.ir.transfers import scheduled
from stagecut.passes.partition.exact.factor_graph import Ints
from stagecut.passes.partition.orders.precedence import Precedence
from stagecut.passes.partition.throughput.bounds import least_period
from stagecut.passes.partition.throughput.lattice import Lattice, members
from stagecut.passes.partition.throughput.model import Calls, StreamCosts
from stagecut.passes.partition.throughput.probe import Part, Probe

#: Bisection ends when the period is known to this part of it; the rest is for strict probes.
_NEAR = 1e-4


@dataclass(frozen=True, slots=True)
class Throughput:
    """Ties go to fewer units of the resource with the most, longer stages, and earlier devices."""

    def __call__(self, table: CostTable) -> StreamSolution:
        """Raises UnplaceableError where the machine has too little for a single replica of each
        stage, and for a table that streams cannot be asked about."""
        _check(table)
        costs = StreamCosts.of(table)
        lattice = Lattice.of(Precedence.of(table))
        probe = Probe(Calls(costs, lattice))
        bound = least_period(costs)
        parts, potentials = _solve(probe, bound)
        period = probe.period(parts)
        stream = _stream(table, lattice, parts)
        certificate = StreamCertificate(
            period,
            costs.tick_s,
            tuple(map(tuple, potentials.tolist())),
            "schedules with contiguous stages"
            if lattice.complete
            else "contiguous stages in the graph's order",
            min(bound, float(period)) * costs.tick_s,
        )
        try:
            account = stream_account(table, stream)
        except AssignmentError as error:
            raise UnplaceableError(
                f"the fastest stream does not fit: {error.problem}",
                where=error.where,
                fix="streams do not keep to budgets yet: raise the limit, or forbid devices",
            ) from error
        return StreamSolution(stream, account, certificate)


def _solve(probe: Probe, bound: float) -> tuple[tuple[Part, ...], Ints]:
    """The pipeline with the least period, and the potentials that prove it."""
    parts = _replicas_of_all(probe) or _any_pipeline(probe)
    period = probe.period(parts)
    potentials = probe.potentials(period, strict=True) if period else _nothing(probe)
    low = Fraction(int(bound))
    while period and probe.can_keep(potentials):
        parts = probe.parts(potentials, period, strict=True)
        period = probe.period(parts)
        while period and period - low > period * Fraction(_NEAR):
            middle = (low + period) / 2
            middle = Fraction(int(middle)) if middle >= 1 else middle
            if middle <= low:
                break
            kept = probe.potentials(middle, strict=False)
            if not probe.can_keep(kept):
                low = middle
                continue
            parts = probe.parts(kept, middle, strict=False)
            period = probe.period(parts)
        potentials = probe.potentials(period, strict=True) if period else _nothing(probe)
    if period:  # the same period with as few units as can be
        parts = probe.parts(probe.potentials(period, strict=False), period, strict=False)
    return parts, potentials


def _replicas_of_all(probe: Probe) -> tuple[Part, ...]:
    """The best of one device running everything, in as many replicas as there is room for; none
    where no device can. Hard to beat where cores are equal and nothing is far away."""
    costs, everything = probe.calls.costs, len(probe.calls.lattice.ideals) - 1
    able = probe.calls.to(everything)[1][0]  # from the empty set
    replicas = costs.units[costs.group] // costs.cores
    whole = [
        (Part(0, everything, device, int(replicas[device])),)
        for device in range(len(able))
        if able[device] and replicas[device]
    ]
    return min(whole, key=probe.period, default=())


def _any_pipeline(probe: Probe) -> tuple[Part, ...]:
    """One with a single replica of each stage, in as few units as can be; raises UnplaceableError
    where even this takes more units than there are."""
    ends = range(1, len(probe.calls.lattice.ideals))
    longest = max((int(probe.calls.to(end)[0].max()) for end in ends), default=0)
    period = Fraction(max(longest, 1))
    potentials = probe.potentials(period, strict=False)
    if not probe.can_keep(potentials):
        raise UnplaceableError(
            "no pipeline fits: one replica of each stage takes more units than there are",
            where="resources",
            fix="raise the units of a resource, or let more nodes run on one device",
        )
    return probe.parts(potentials, period, strict=False)


def _nothing(probe: Probe) -> Ints:
    """For a graph that takes no time: nothing is shorter, and there is nothing to show."""
    return np.empty((0, probe.states), dtype=np.int64)


def _stream(table: CostTable, lattice: Lattice, parts: tuple[Part, ...]) -> StreamSchedule:
    names = [node.name for node in table.nodes]
    devices = [device.name for device in table.machine.devices]
    stages = []
    for part in parts:
        inside = lattice.ideals[part.end] & ~lattice.ideals[part.start]
        stages.append(Stage(devices[part.device], tuple(names[node] for node in members(inside))))
    return StreamSchedule(scheduled(table, stages), tuple(part.replicas for part in parts))


def _check(table: CostTable) -> None:
    """What the model does not hold is refused."""
    for key, ends in (("inputs", table.inputs), ("outputs", table.outputs)):
        for index, end in enumerate(ends):
            if end.memory != HOST:
                raise UnplaceableError(
                    f"a stream's {key} are in the host's memory, and {end.name!r} is not",
                    where=f"{key}[{index}].memory",
                    fix=f"write {HOST!r}",
                )
    if not table.nodes:
        raise UnplaceableError(
            "there is no node", where="nodes", fix="a stream needs something to do"
        )
    _check_machine(table.machine)


def _check_machine(machine: Machine) -> None:
    """A memory other than the host's has room for one stage at a time."""
    for memory in machine.memories:
        devices = [each for each in machine.devices if each.memory == memory.name]
        if memory.name == HOST or not devices:
            continue
        resources = {each.keeps_busy for each in devices}
        least = min(each.cores for each in devices)
        if len(resources) > 1 or 2 * least <= machine.units_of[devices[0].keeps_busy]:
            raise UnplaceableError(
                f"memory {memory.name!r} has room for two stages, and in a stream one may use it",
                where=f"devices[{machine.devices.index(devices[0])}].resource",
                fix="let its devices share a resource, and take more than half of its units",
            )
