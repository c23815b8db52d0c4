"""Cost tables for tests: small ones written as text, random ones, and the slow obvious answers.

`cost_table` reads one node a line, times in microseconds; node `a` writes value `a`:

    a      : cpu 3, pim 5
    b(a)   : cpu 4, pim 1
    c(a, b): cpu 2
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from itertools import pairwise, permutations, product
from math import fsum, inf
from operator import itemgetter
from random import Random

from hypothesis import strategies as st

from stagecut.compiler.ir.account import account
from stagecut.compiler.ir.costs import CostTable, Endpoint, NodeCosts, ValueCosts
from stagecut.compiler.ir.errors import AssignmentError, ScheduleError
from stagecut.compiler.ir.machine import Device, Link, Machine, Memory, Route
from stagecut.compiler.ir.objective import LATENCY, Objective
from stagecut.compiler.ir.schedule import Schedule
from stagecut.compiler.ir.solution import Assignment
from stagecut.compiler.ir.transfers import scheduled, stages_in

US = 1e-6

#: Two memories: `cpu` and `gang` share the host's, `pim` has its own.
DEVICES = {"cpu": "host", "gang": "host", "pim": "pim"}

_LINE = re.compile(r"(?P<name>\w+)\s*(\((?P<reads>[^)]*)\))?\s*:\s*(?P<costs>.+)")


def cost_table(
    nodes: str,
    *,
    devices: Mapping[str, str] = DEVICES,
    transfer_us: float | Mapping[str, float] = 2,
    stage_us: Mapping[str, float] | None = None,
    sizes: Mapping[str, int] | None = None,
    inputs: str = "",
    outputs: str = "",
) -> CostTable:
    """`transfer_us` is one figure for all routes, or by route; a route left out has no link.

    `inputs` and `outputs` are written `"x@host, y@pim"`. What nobody writes is an input.
    """
    lines = [match for line in nodes.strip().splitlines() if (match := _LINE.match(line.strip()))]
    reads = [tuple(re.findall(r"\w+", line["reads"] or "")) for line in lines]
    written = [line["name"] for line in lines]
    names = dict.fromkeys([*(name for each in reads for name in each), *written])
    memories = tuple(dict.fromkeys(devices.values()))
    transfers_us = (
        {f"{a}>{b}": transfer_us for a, b in permutations(memories, 2)}
        if isinstance(transfer_us, int | float)
        else transfer_us
    )
    transfer_s = {Route.parse(key): cost * US for key, cost in transfers_us.items()}
    return CostTable(
        name="test",
        machine=Machine(
            tuple(map(Memory, memories)),
            tuple(
                Device(name, memory, stage_s=(stage_us or {}).get(name, 0) * US)
                for name, memory in devices.items()
            ),
        ),
        values=tuple(ValueCosts(name, (sizes or {}).get(name, 1024), transfer_s) for name in names),
        nodes=tuple(
            NodeCosts(line["name"], "Op", _costs(line["costs"]), read, (line["name"],))
            for line, read in zip(lines, reads, strict=True)
        ),
        inputs=_ends(inputs),
        outputs=_ends(outputs),
    )


def drawn(table: CostTable) -> str:
    """The nodes of a table, one a line, as `cost_table` reads them."""
    return "\n".join(
        f"{node.name}{_reads(node)}: "
        + ", ".join(f"{device} {time_s / US:g}" for device, time_s in node.run_s.items())
        for node in table.nodes
    )


def _reads(node: NodeCosts) -> str:
    return f"({', '.join(node.inputs)})" if node.inputs else ""


def _costs(text: str) -> dict[str, float]:
    pairs = (part.split() for part in text.split(","))
    return {device: float(cost) * US for device, cost in pairs}


def _ends(text: str) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(*part.strip().split("@")) for part in text.split(",") if part.strip())


def placed(text: str) -> Assignment:
    """`"cpu: a, c; pim: b"` as an assignment."""
    devices = {
        node.strip(): device.strip()
        for device, nodes in (part.split(":") for part in text.split(";"))
        for node in nodes.split(",")
    }
    return Assignment(devices)


def every_assignment(table: CostTable) -> Iterator[Assignment]:
    names = [node.name for node in table.nodes]
    for devices in product(*(node.run_s for node in table.nodes)):
        yield Assignment(dict(zip(names, devices, strict=True)))


def in_order(table: CostTable, assignment: Assignment, order: Sequence[str] = ()) -> Schedule:
    """The schedule that runs the nodes in `order`, the table's own by default."""
    names = order or [node.name for node in table.nodes]
    return scheduled(table, stages_in(names, assignment.devices))


def every_order(table: CostTable) -> Iterator[tuple[str, ...]]:
    """Every order in which the graph can run."""
    names = [node.name for node in table.nodes]
    before = {
        node.name: {table.producer[value] for value in node.inputs if value in table.producer}
        for node in table.nodes
    }

    def orders(done: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if len(done) == len(names):
            yield done
        for name in names:
            if name not in done and before[name] <= set(done):
                yield from orders((*done, name))

    return orders(())


def cheapest_in_order(table: CostTable, objective: Objective = LATENCY) -> float | None:
    """The least total of all assignments in the table's order; None when none of them can run."""
    least = inf
    for alone, assignment in _by_runs(table, objective):
        if alone >= least:
            break
        least = min(least, _total(table, assignment, objective))
    return None if least == inf else least


def _by_runs(table: CostTable, objective: Objective) -> list[tuple[float, Assignment]]:
    """Every assignment with what its nodes cost, the cheapest first: never more than the total, to
    which transfers add, and starting stages."""
    choices = [
        [
            (objective.price(run_s, node.run_j.get(device)), device)
            for device, run_s in node.run_s.items()
        ]
        for node in table.nodes
    ]
    names = [node.name for node in table.nodes]
    found = []
    for chosen in product(*choices):
        assignment = Assignment(dict(zip(names, (device for _, device in chosen), strict=True)))
        found.append((fsum(cost for cost, _ in chosen), assignment))
    return sorted(found, key=itemgetter(0))


def _total(table: CostTable, assignment: Assignment, objective: Objective) -> float:
    """In the table's order; infinite where it cannot run."""
    try:
        return account(table, scheduled_by(table, assignment, objective)).total(objective)
    except (AssignmentError, ScheduleError):
        return inf


def scheduled_by(table: CostTable, assignment: Assignment, objective: Objective) -> Schedule:
    order = [node.name for node in table.nodes]
    return scheduled(table, stages_in(order, assignment.devices), objective)


def cheapest_of_all(table: CostTable, objective: Objective = LATENCY) -> float | None:
    """The least total of all assignments in all orders; None when none of them can run.

    Only what starting stages takes depends on the order: it is tried out, by the definition and in
    every order. What is known of an assignment is what its nodes cost, then what it costs without
    starts, then what it costs: none is less than the one before, so that the first of which all is
    known is the cheapest of all, where the least that is known goes on first.
    """
    starts = {device.name: device.stage_s for device in table.machine.devices}
    devices = tuple(replace(device, stage_s=0.0) for device in table.machine.devices)
    free = replace(table, machine=replace(table.machine, devices=devices))
    ordered = any(starts.values()) and objective.per_s
    orders: list[tuple[str, ...]] = []
    ways = _by_runs(table, objective)
    known = [(alone, 0, at) for at, (alone, _) in enumerate(ways)]  # sorted, so a heap
    while known:
        cost, step, at = heappop(known)
        if step == _ALL_KNOWN:
            return cost
        assignment = ways[at][1]
        if step == 0:
            cost = _total(free, assignment, objective)
        elif ordered:
            orders = orders or [*every_order(table)]
            cost += objective.per_s * least_starts_s(orders, assignment, starts)
        if cost < inf:
            heappush(known, (cost, step + 1, at))
    return None


#: Of `cheapest_of_all`: so often something was added to what is known of an assignment.
_ALL_KNOWN = 2


def least_starts_s(
    orders: Sequence[Sequence[str]], assignment: Assignment, starts: Mapping[str, float]
) -> float:
    """What starting stages takes in the best of the orders: no less than each device once."""
    no_less = fsum(starts[device] for device in {*assignment.devices.values()})
    least = inf
    for order in orders:
        least = min(least, starts_s(order, assignment, starts))
        if least <= no_less:
            break
    return least


def starts_s(order: Sequence[str], assignment: Assignment, starts: Mapping[str, float]) -> float:
    """What starting the stages takes when the nodes run in this order: one for each node that runs
    elsewhere than the one before it."""
    devices = [assignment.devices[name] for name in order]
    return fsum(
        starts[device] for at, device in enumerate(devices) if not at or device != devices[at - 1]
    )


def in_one_order(table: CostTable) -> CostTable:
    """The same table, but each node waits for the one before it: its order is the only one.

    What they wait for is a value of nothing that costs nothing to transfer.
    """
    names = [node.name for node in table.nodes]
    waits = [f"{before} before {after}" for before, after in pairwise(names)]
    memories = [memory.name for memory in table.machine.memories]
    free = {Route(*pair): 0.0 for pair in permutations(memories, 2)}
    return replace(
        table,
        values=(*table.values, *(ValueCosts(wait, 0, free, free) for wait in waits)),
        nodes=tuple(
            replace(node, inputs=node.inputs + read, outputs=node.outputs + written)
            for node, read, written in zip(
                table.nodes,
                [(), *((wait,) for wait in waits)],
                [*((wait,) for wait in waits), ()],
                strict=True,
            )
        ),
    )


def cost_tables(
    *, max_nodes: int = 6, max_devices: int = 4, starts: float = 0.3
) -> st.SearchStrategy[CostTable]:
    """Any valid table of this size; shrinks towards few nodes and devices. The rest comes out of a
    seed: to draw it number by number takes longer than most of what is asked of a table."""

    def table(seed: int, nodes: int, devices: int) -> CostTable:
        return random_table(
            Random(seed),  # noqa: S311
            min_nodes=nodes,
            max_nodes=nodes,
            min_devices=devices,
            max_devices=devices,
            starts=starts,
        )

    sizes = st.integers(1, max_nodes), st.integers(1, max_devices)
    return st.builds(table, st.integers(0, _SEEDS), *sizes)


#: So many tables there are of a size.
_SEEDS = 1 << 32


def seeded_table(
    seed: int,
    *,
    min_nodes: int = 1,
    max_nodes: int = 6,
    max_devices: int = 4,
    min_memories: int = 1,
    starts: float = 0.3,
) -> CostTable:
    """The same table for the same seed; faster than `cost_tables`, but does not shrink."""
    return random_table(
        Random(seed),  # noqa: S311
        min_nodes=min_nodes,
        max_nodes=max_nodes,
        max_devices=max_devices,
        min_memories=min_memories,
        starts=starts,
    )


def random_table(
    random: Random,
    *,
    min_nodes: int = 1,
    max_nodes: int = 6,
    min_devices: int = 1,
    max_devices: int = 4,
    min_memories: int = 1,
    starts: float = 0.3,
) -> CostTable:
    """Up to 3 memories; branches, joins, residuals and values with many readers; ties and zeros;
    missing links; bound inputs, and outputs in one memory or two; stages that cost something to
    start, with probability `starts`; energies; and memories that may be too small."""
    memories = ["host", "m1", "m2"][: random.randint(min_memories, 3)]
    whole = random.random() < 0.5  # whole numbers make many ties

    def cost() -> float:
        return float(random.randint(0, 4)) if whole else round(random.uniform(0, 4), 6)

    stages = random.random() < starts
    devices = tuple(
        Device(f"d{i}", random.choice(memories), stage_s=cost() if stages else 0.0)
        for i in range(random.randint(min_devices, max_devices))
    )
    routes = [Route(*pair) for pair in permutations(memories, 2) if random.random() < 0.9]
    linked = [route for route in routes for _ in range(random.choice([0, 0, 1, 2]))]
    links = tuple(Link(*route, cost(), 1 + cost()) for route in linked)
    own = [route for route in routes if route not in linked or random.random() < 0.5]
    values = [f"x{i}" for i in range(random.randint(0, 2))]
    inputs = tuple(
        Endpoint(name, random.choice(memories)) for name in values if random.random() < 0.5
    )
    nodes = []
    for index in range(random.randint(min_nodes, max_nodes)):
        able = [device.name for device in devices if random.random() < 0.7]
        able = able or [random.choice(devices).name]
        reads = random.sample(values, min(len(values), random.randint(0, 3)))
        writes = [f"v{index}.{i}" for i in range(random.choice([0, 1, 1, 1, 2]))]
        run_s, run_j = ({name: cost() for name in able} for _ in range(2))
        weight_bytes = random.randint(0, 4)
        held = {name: random.randint(0, 4) for name in able if random.random() < 0.2}
        node = NodeCosts(
            name=f"n{index}",
            op="Op",
            run_s=run_s,
            inputs=tuple(reads),
            outputs=tuple(writes),
            weight_bytes=weight_bytes,
            run_j=run_j,
            resident_bytes=held,
        )
        nodes.append(node)
        values += writes
    outputs = tuple(
        Endpoint(name, random.choice(memories)) for name in values if random.random() < 0.15
    )
    limit = 4 * len(nodes) if random.random() < 0.2 else None
    rooms = [None if limit is None else random.randint(0, limit) for _ in memories]
    priced = tuple(
        ValueCosts(
            name,
            random.randint(0, 4),
            {route: cost() for route in own},
            {route: cost() for route in routes},
        )
        for name in values
    )
    twice = tuple(
        Endpoint(end.name, random.choice([name for name in memories if name != end.memory]))
        for end in outputs
        if len(memories) > 1 and random.random() < 0.4
    )
    machine = Machine(tuple(map(Memory, memories, rooms)), devices, links)
    return CostTable("random", machine, priced, tuple(nodes), inputs, (*outputs, *twice))
