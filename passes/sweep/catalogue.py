"""One device of several at a time: what each entry of a catalogue would make of the optimum.

All entries are in one cost table, each a device of its own (`a=pim.hbm:channels=16`), so that the
real devices were measured once, for all of them. Each entry then sees the table without the others.

    cpu, small, large    ->    cpu, small: 5 ms    cpu, large: 3 ms    cpu alone: 9 ms
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from stagecut.compiler.ir.costs import CostTable, NodeCosts, ValueCosts
from stagecut.compiler.ir.device import Progress, silent
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.solution import Solution
from stagecut.passes.partition.partition import Partition
from stagecut.passes.partition.search import Told, nobody
from stagecut.passes.sweep.scale import check_summed


@dataclass(frozen=True, slots=True)
class Choice:
    """The optimum with one entry beside the other devices; `device` is empty for none of them."""

    device: str
    solution: Solution


@dataclass(frozen=True, slots=True)
class Catalogue:
    """`entries` are devices of the table; all others are there always."""

    entries: tuple[str, ...]
    objective: Objective = LATENCY
    limit_s: float = 60.0
    told: Told = nobody
    progress: Progress = silent

    def __post_init__(self) -> None:
        check_summed(self.objective)

    def __call__(self, table: CostTable) -> tuple[Choice, ...]:
        """Without any entry first, where the other devices can run all, then with each.

        Raises DeviceError for an entry that is not there, UnplaceableError as `partition` does.
        """
        for entry in self.entries:
            table.machine.device(entry)
        others = [each.name for each in table.machine.devices if each.name not in self.entries]
        partition = Partition(self.objective, self.limit_s, self.told)
        able = all(set(node.run_s).intersection(others) for node in table.nodes)
        return tuple(
            Choice(entry, partition(only(table, [*others, entry])))
            for entry in self.progress(("", *self.entries) if able else self.entries, "devices")
        )


def only(table: CostTable, names: Sequence[str]) -> CostTable:
    """The table as it would be if the machine had only these devices, their memories, and those in
    which inputs and outputs are."""
    machine = table.machine
    devices = tuple(device for device in machine.devices if device.name in names)
    held = {device.memory for device in devices}
    held |= {end.memory for end in (*table.inputs, *table.outputs)}
    links = tuple(link for link in machine.links if held.issuperset(link.route))
    memories = tuple(memory for memory in machine.memories if memory.name in held)
    return replace(
        table,
        machine=replace(machine, memories=memories, devices=devices, links=links),
        nodes=tuple(_node(node, names) for node in table.nodes),
        values=tuple(_value(value, held) for value in table.values),
    )


def _node(node: NodeCosts, names: Collection[str]) -> NodeCosts:
    return replace(
        node,
        run_s={name: time_s for name, time_s in node.run_s.items() if name in names},
        run_j={name: energy_j for name, energy_j in node.run_j.items() if name in names},
        run_spread={name: each for name, each in node.run_spread.items() if name in names},
        resident_bytes={name: size for name, size in node.resident_bytes.items() if name in names},
        uses={
            budget: {name: amount for name, amount in by_device.items() if name in names}
            for budget, by_device in node.uses.items()
        },
    )


def _value(value: ValueCosts, held: Collection[str]) -> ValueCosts:
    inside = set(held)
    return replace(
        value,
        transfer_s={way: s for way, s in value.transfer_s.items() if inside.issuperset(way)},
        transfer_j={way: j for way, j in value.transfer_j.items() if inside.issuperset(way)},
        transfer_spread={
            way: each for way, each in value.transfer_spread.items() if inside.issuperset(way)
        },
    )
