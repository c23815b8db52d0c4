"""Plans of real models at costs that are handed in: of many stages, and nothing is measured.

The graphs are kept as text (tests/golden/graph-*.txt), as PyTorch takes many seconds to export
them. What CPUs take follows from their speed, what a PIM and its links take is what its model says.
"""

from dataclasses import dataclass, replace

from stagecut import backends
from stagecut.compiler.ir.costs import Cost, Spread
from stagecut.compiler.ir.graph import Node, Value
from stagecut.compiler.ir.graph_text import parse_graph
from stagecut.compiler.ir.machine import Device, Route
from stagecut.compiler.ir.port import InputPort
from stagecut.compiler.ir.provenance import Provenance
from stagecut.passes.expand import Expand
from stagecut.passes.partition.partition import Partition
from stagecut.passes.profile.estimates import Estimates
from stagecut.passes.profile.table import table_of
from tests.support.golden import GOLDEN
from tests.support.planned import US, Sample, sample_of, with_known

DEVICES = ("cpu.serial", "cpu.parallel", "pim.hbm")


@dataclass(frozen=True, slots=True)
class Speed:
    """Operations and bytes in a second, and what it takes to be called."""

    flop_per_s: float
    bytes_per_s: float
    start_s: float


SPEEDS = {
    "cpu.serial": Speed(6e10, 2.0e10, 0.2 * US),
    "cpu.parallel": Speed(1.1e11, 1.6e10, 1 * US),
}


@dataclass(frozen=True, slots=True)
class BySpeed:
    """What stands for a measurement (passes/profile/table.py)."""

    def start_s(self, device: Device) -> float:
        return SPEEDS[device.name].start_s

    def run(self, node: Node, device: str) -> Cost:
        speed = SPEEDS[device]
        read = (*node.inputs, *node.weights) if node.flops else ()  # of a table, a few rows
        moved = sum(value.size_bytes for value in (*read, *node.outputs))
        time_s = max(node.flops / speed.flop_per_s, moved / speed.bytes_per_s)
        return Cost(time_s, spread=Spread(20, 0.97 * time_s, 0.99 * time_s, 1.02 * time_s))

    def transfer(self, value: Value, route: Route) -> Cost | None:
        raise AssertionError(f"{value.name} along {route}: all links here are modelled")


def plan_by_speed(model: str) -> Sample:
    """The optimum of a kept graph at these costs, with what is known of its nodes and inputs."""
    engines = backends.create_all(DEVICES)
    graph = parse_graph((GOLDEN / f"graph-{model}.txt").read_text("utf-8"))
    expanded = Expand(engines)(graph)
    table = table_of(expanded, Estimates.of(expanded, engines), BySpeed())
    solution = Partition()(table)
    specs = dict(zip(engines, DEVICES, strict=True))
    origin = Provenance("0.1.0", f"zoo:{model}", "0" * 64, "Example CPU, 3 GHz", 2, {}, specs, {})
    devices = solution.assignment.devices
    sample = sample_of(table, {name: devices[name] for name in solution.schedule.order}, origin)
    nodes = tuple(
        replace(
            planned,
            operators=tuple(f"{each.op} {each.name}" for each in node.operators),
            flops=node.flops,
            refusals=expanded.refusals[node.name],
        )
        for planned, node in zip(sample.planned.nodes, graph.nodes, strict=True)
    )
    inputs = tuple(InputPort(each.name, each.dtype, each.shape) for each in graph.inputs)
    return with_known(sample, nodes=nodes, inputs=inputs)
