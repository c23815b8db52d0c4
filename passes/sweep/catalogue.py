"""One device of several at a time: what each entry of a catalogue would make of the optimum.

All entries are in one cost table, each a device of its own (`a=pim.hbm:channels=16`), so that the
real devices were measured once, for all of them. Each entry then sees the table without the others.

    cpu, small, large    ->    cpu, small: 5 ms    cpu, large: 3 ms    cpu alone: 9 ms

Where entries have a price, those matter that nothing is better than at no higher price (a Pareto
front). An entry is skipped where even every node at its cheapest, with nothing transferred, would
take no less than something that costs no more.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from stagecut.compiler.ir.costs import CostTable, NodeCosts, ValueCosts
from stagecut.compiler.ir.device import Progress, silent
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.solution import Solution
from stagecut.compiler.ir.standing import Told, nobody
from stagecut.passes.partition.baselines.bound import least_without_transfers
from stagecut.passes.partition.partition import Partition
from stagecut.passes.sweep.scale import check_summed


@dataclass(frozen=True, slots=True)
class Choice:
    """The optimum with one entry beside the other devices; `device` is empty for none of them.

    `solution` is None for what was skipped: no better than `bound`, which something that costs no
    more is as good as.
    """

    device: str
    solution: Solution | None
    bound: float
    price: float | None = None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """`entries` are devices of the table; all others are there always. `prices` are those of the
    entries, in any unit that adds up, none for a comparison without; no entry costs nothing."""

    entries: tuple[str, ...]
    objective: Objective = LATENCY
    limit_s: float = 60.0
    told: Told = nobody
    progress: Progress = silent
    prices: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_summed(self.objective)

    def __call__(self, table: CostTable) -> tuple[Choice, ...]:
        """Without any entry first, where the other devices can run all, then with each.

        Raises DeviceError for an entry that is not there, UnplaceableError as `partition` does.
        """
        for entry in self.entries:
            table.machine.device(entry)
        others = [each.name for each in table.machine.devices if each.name not in self.entries]
        able = all(set(node.run_s).intersection(others) for node in table.nodes)
        prices = dict(zip(self.entries, self.prices, strict=True)) if self.prices else {}
        asked = ("", *self.entries) if able else self.entries
        # Cheap ones first: they may make those that cost more superfluous.
        asked = tuple(sorted(asked, key=lambda entry: prices.get(entry, 0.0)))
        least = math.inf
        found: dict[str, Choice] = {}
        for entry in self.progress(asked, "devices"):
            choice = self._choice(only(table, [*others, entry]), entry, prices, least)
            found[entry] = choice
            if prices and choice.solution is not None:
                least = min(least, choice.solution.certificate.total)
        return tuple(found[entry] for entry in ("", *self.entries) if entry in found)

    def _choice(
        self, table: CostTable, entry: str, prices: Mapping[str, float], least: float
    ) -> Choice:
        price = prices.get(entry, 0.0) if prices else None
        bound = least_without_transfers(table, self.objective)
        if bound >= least:
            return Choice(entry, None, bound, price)
        solution = Partition(self.objective, self.limit_s, self.told)(table)
        return Choice(entry, solution, solution.certificate.lower_bound, price)


def front(choices: Sequence[Choice]) -> tuple[str, ...]:
    """The devices of the choices that no other is better than at no higher price, or as good as at
    a lower one; of those that are the same in both, the first."""
    kept: list[str] = []
    least = math.inf
    for choice in sorted(choices, key=_price_and_total):
        if choice.solution is not None and choice.solution.certificate.total < least:
            least = choice.solution.certificate.total
            kept.append(choice.device)
    return tuple(kept)


def _price_and_total(choice: Choice) -> tuple[float, float]:
    total = math.inf if choice.solution is None else choice.solution.certificate.total
    return choice.price or 0.0, total


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
