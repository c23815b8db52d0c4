"""Which devices are interchangeable."""

from dataclasses import replace

import pytest

from stagecut.compiler.ir.costs import CostTable
from stagecut.compiler.ir.machine import Device, Memory, Resource
from stagecut.passes.partition.throughput.definition import Definition
from stagecut.passes.partition.throughput.kinds import kinds
from tests.support.streams import stream_table

NODES = "a: one 3, two 3, cpu 9\n b(a): one 4, two 4"
ONE, TWO = Device("one", "one"), Device("two", "two")
CPU = Device("cpu", "host", resource="cores")


def _table(one: Device = ONE, two: Device = TWO, nodes: str = NODES, **units: int) -> CostTable:
    return stream_table(nodes, one, CPU, two, cores=4, **units)


def _with_units(table: CostTable, **units: int) -> CostTable:
    resources = tuple(Resource(name, count) for name, count in units.items())
    return replace(table, machine=replace(table.machine, resources=resources))


def _with_room(table: CostTable, memory: str) -> CostTable:
    memories = tuple(
        Memory(each.name, 100) if each.name == memory else each for each in table.machine.memories
    )
    return replace(table, machine=replace(table.machine, memories=memories))


def _heavier_on(table: CostTable, device: str) -> CostTable:
    node = replace(table.nodes[0], resident_bytes={device: 7})
    return replace(table, nodes=(node, *table.nodes[1:]))


TOGETHER = "one two | cpu"
APART = "one | cpu | two"
CASES = {
    "with all costs the same": (_table(), TOGETHER),
    "one of which takes longer": (_table(nodes=NODES.replace("two 4", "two 5")), APART),
    "one of which cannot": (_table(nodes=NODES.replace(", two 4", "")), APART),
    "one of which starts slower": (_table(two=replace(TWO, stage_s=1e-6)), APART),
    "one of which takes more inputs": (_table(two=replace(TWO, batch=2)), APART),
    "one of which is modelled": (_table(two=replace(TWO, basis="modelled")), APART),
    "one of which has less room": (_with_room(_table(), "two"), APART),
    "one of which packs weights otherwise": (_heavier_on(_table(), "two"), APART),
    "one of which lives with the host": (_table(two=replace(TWO, memory="host")), APART),
    "both of which live with the host": (
        _table(replace(ONE, memory="host"), replace(TWO, memory="host")),
        TOGETHER,
    ),
    "in one memory": (_table(two=replace(TWO, memory="one")), APART),
    "with room for two stages each": (_with_units(_table(), one=2, two=2, cores=4), APART),
    "of one resource": (
        _table(replace(ONE, resource="npu"), replace(TWO, resource="npu"), npu=2),
        "one two | cpu",
    ),
}


@pytest.mark.parametrize(("table", "expected"), CASES.values(), ids=CASES.keys())
def test_kinds(table: CostTable, expected: str) -> None:
    found = kinds(table)
    assert " | ".join(" ".join(each.name for each in kind.devices) for kind in found) == expected
    independent = Definition(table, 1e-9, "schedules with contiguous stages").kinds
    assert [(kind.devices, kind.units, kind.alike) for kind in independent] == [
        (kind.devices, kind.units, kind.alike) for kind in found
    ]


def test_one_unit_each() -> None:
    both, cores = kinds(_table())
    assert (both.alike, both.units, both.columns) == (True, 2, (ONE,))
    assert (cores.alike, cores.units, cores.columns) == (False, 4, (CPU,))
