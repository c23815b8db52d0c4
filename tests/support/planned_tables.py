"""Cost tables as plans that run: programs that only hand names around, on devices that obey.

A tensor is an array with the name of its value, so that a run shows where every value went.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import onnx_ir as ir

from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.contender import Contender, ContenderId, ContenderKind
from stagecut.compiler.ir.costs import CostTable, Endpoint
from stagecut.compiler.ir.device import (
    Backend,
    Estimate,
    LinkDriver,
    StagedSchedule,
    StageProgram,
    Support,
    Tensor,
)
from stagecut.compiler.ir.graph import Node, Value
from stagecut.compiler.ir.machine import HOST, Basis, Device, Memory
from stagecut.compiler.ir.plan import PlannedNode, PlannedRun, PlannedStage, PlannedVariant
from stagecut.compiler.ir.port import InputPort, Port
from stagecut.compiler.ir.provenance import Provenance
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.ir.solution import Certificate
from stagecut.compiler.ir.transfers import scheduled, stages_in
from stagecut.passes.stage.stage import stage_programs
from stagecut.runtime.executor import Executor
from tests.support.borders import Borders
from tests.support.expanded import expanded

NOWHERE = Provenance("0", "m", "0", "cpu", 1, {}, {}, {})


def on_the_host(table: CostTable) -> CostTable:
    """The table of a whole model: what nobody writes starts in the host's memory, and what nobody
    reads ends there, besides wherever else it must end."""
    starts = [value.name for value in table.values if value.name not in table.producer]
    ends = [value for value in table.producer if value not in table.users]
    known = {(end.name, end.memory) for end in table.outputs}
    more = (Endpoint(name, HOST) for name in ends if (name, HOST) not in known)
    return CostTable(
        table.name,
        table.machine,
        table.values,
        table.nodes,
        tuple(Endpoint(name, HOST) for name in starts),
        (*table.outputs, *more),
    )


def random_schedule(table: CostTable, random: Random) -> Schedule:
    """Any assignment in any order; raises ScheduleError where missing links rule it out."""
    device_of = {node.name: random.choice([*node.run_s]) for node in table.nodes}
    before = {
        node.name: {table.producer[value] for value in node.inputs if value in table.producer}
        for node in table.nodes
    }
    order: list[str] = []
    while len(order) < len(before):
        ready = [name for name in before if name not in order and before[name] <= set(order)]
        order.append(random.choice(ready))
    return scheduled(table, stages_in(order, device_of))


@dataclass(frozen=True, slots=True)
class Plan:
    """A schedule of a table as everybody is handed it."""

    table: CostTable
    planned: PlannedVariant
    staged: StagedSchedule
    outputs: tuple[str, ...]

    def executor(self) -> Executor:
        return Executor(self.staged, self.outputs, engines(self.table))

    def feeds(self) -> dict[str, Tensor]:
        return {end.name: np.array(end.name) for end in self.table.inputs}


def plan_of(table: CostTable, schedule: Schedule) -> Plan:
    """Nothing is measured: the plan was compiled from the table."""
    costs = account(table, schedule)
    programs = stage_programs(expanded(table).graph, schedule, Borders())
    modelled_s = tuple(step.time_s if step.basis == "modelled" else None for step in costs.steps)
    optimum = Contender(
        id=ContenderId(ContenderKind.OPTIMUM),
        stages=len(schedule.stages),
        median_s=costs.latency_s,
        min_s=costs.latency_s,
        max_s=costs.latency_s,
        runs=0,
        basis=costs.basis,
        accounting="predicted",
        chosen=True,
        predicted_s=costs.latency_s,
    )
    ends = dict.fromkeys(end.name for end in table.outputs if end.memory == HOST)
    outputs = tuple(name for name in ends if name in table.producer)  # no input is handed back
    variant = PlannedVariant(
        name=table.name,
        objective="latency",
        machine=table.machine,
        inputs=tuple(InputPort(end.name, "uint8", (1,)) for end in table.inputs),
        outputs=tuple(Port(name, "uint8", (1,)) for name in outputs),
        run=PlannedRun(schedule, costs, tuple(map(_planned_stage, programs))),
        certificate=Certificate.of("optimal", costs.latency_s, 0.0),
        nodes=tuple(
            PlannedNode(node.name, node.op, (node.name,), 0, node.weight_bytes, node.run_s, {})
            for node in table.nodes
        ),
        contenders=(optimum,),
        profile_paths=(),
        provenance=NOWHERE,
    )
    return Plan(table, variant, StagedSchedule(schedule, programs, modelled_s), outputs)


def _planned_stage(program: StageProgram) -> PlannedStage:
    return PlannedStage(f"{program.name}.onnx", _ports(program.inputs), _ports(program.outputs))


def _ports(values: Sequence[Value]) -> tuple[Port, ...]:
    return tuple(Port(value.name, value.dtype, value.shape) for value in values)


@dataclass(frozen=True, slots=True)
class Names:
    """Takes the values that it wants, and no others; hands back its own."""

    wants: tuple[str, ...]
    gives: tuple[str, ...]

    def __call__(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        assert tuple(str(array) for array in inputs) == self.wants
        return [np.array(name) for name in self.gives]


@dataclass(frozen=True, slots=True)
class Way:
    """Hands values over; what that costs stands in the table."""

    source: str
    target: str
    basis: Basis

    def transfer(self, tensor: Tensor) -> Tensor:
        return tensor

    def estimate(self, value: Value) -> Estimate | None:
        return None


@dataclass(frozen=True, slots=True)
class Obedient:
    """A device that runs whatever it is given."""

    device: Device
    memory: Memory
    links: tuple[LinkDriver, ...]

    def supports(self, node: Node) -> Support:
        return Support()

    def estimate(self, node: Node) -> Estimate | None:
        return None

    def prepare(self, stage: StageProgram) -> Names:
        assert isinstance(stage.model, ir.Model)
        return Names(
            tuple(value.name for value in stage.inputs),
            tuple(value.name for value in stage.outputs),
        )


def engines(table: CostTable) -> dict[str, Backend]:
    """Every device of the table's machine; the first one brings all ways that any value has."""
    machine = table.machine
    routes = dict.fromkeys(link.route for link in machine.links)
    routes |= dict.fromkeys(route for value in table.values for route in value.transfer_s)
    ways = tuple(Way(*route, "modelled") for route in routes)
    first = machine.devices[0]
    return {
        device.name: Obedient(
            device, machine.memory_named[device.memory], ways if device is first else ()
        )
        for device in machine.devices
    }
