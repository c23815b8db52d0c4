"""Cost tables for tests: small ones written as text, random ones, and the slow obvious answers.

`cost_table` reads one node a line, times in microseconds; node `a` writes value `a`:

    a      : cpu 3, pim 5
    b(a)   : cpu 4, pim 1
    c(a, b): cpu 2
"""

import re
from collections.abc import Iterator, Mapping
from itertools import permutations, product
from random import Random

from hypothesis import strategies as st

from stagecut.compiler.ir.account import evaluate
from stagecut.compiler.ir.assignment import Assignment
from stagecut.compiler.ir.costs import CostTable, Endpoint, NodeCosts, ValueCosts
from stagecut.compiler.ir.errors import AssignmentError
from stagecut.compiler.ir.machine import Device, Link, Machine, Memory
from stagecut.compiler.ir.objective import LATENCY, Objective

US = 1e-6

#: Two memories: `cpu` and `gang` share the host's, `pim` has its own.
DEVICES = {"cpu": "host", "gang": "host", "pim": "pim"}

_LINE = re.compile(r"(?P<name>\w+)\s*(\((?P<reads>[^)]*)\))?\s*:\s*(?P<costs>.+)")


def cost_table(
    nodes: str,
    *,
    devices: Mapping[str, str] = DEVICES,
    move_us: float | Mapping[str, float] = 2,
    stage_us: Mapping[str, float] | None = None,
    sizes: Mapping[str, int] | None = None,
    inputs: str = "",
    outputs: str = "",
) -> CostTable:
    """`move_us` is one figure for all routes, or `{"host>pim": 1}`; a route left out has no link.

    `inputs` and `outputs` are written `"x@host, y@pim"`. What nobody writes is an input.
    """
    lines = [match for line in nodes.strip().splitlines() if (match := _LINE.match(line.strip()))]
    reads = [tuple(re.findall(r"\w+", line["reads"] or "")) for line in lines]
    written = [line["name"] for line in lines]
    names = dict.fromkeys([*(name for each in reads for name in each), *written])
    memories = tuple(dict.fromkeys(devices.values()))
    moves_us = (
        {f"{a}>{b}": move_us for a, b in permutations(memories, 2)}
        if isinstance(move_us, int | float)
        else move_us
    )
    move_s = {_route(key): cost * US for key, cost in moves_us.items()}
    return CostTable(
        name="test",
        machine=Machine(
            tuple(map(Memory, memories)),
            tuple(
                Device(name, memory, stage_s=(stage_us or {}).get(name, 0) * US)
                for name, memory in devices.items()
            ),
        ),
        values=tuple(ValueCosts(name, (sizes or {}).get(name, 1024), move_s) for name in names),
        nodes=tuple(
            NodeCosts(line["name"], "Op", _costs(line["costs"]), read, (line["name"],))
            for line, read in zip(lines, reads, strict=True)
        ),
        inputs=_ends(inputs),
        outputs=_ends(outputs),
    )


def _route(key: str) -> tuple[str, str]:
    source, target = key.split(">")
    return source, target


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


def cheapest_by_brute_force(table: CostTable, objective: Objective = LATENCY) -> float | None:
    """The least total of all assignments, by the objective; None when none of them can run."""
    totals = []
    for assignment in every_assignment(table):
        try:
            totals.append(evaluate(table, assignment, objective=objective).total(objective))
        except AssignmentError:
            continue
    return min(totals, default=None)


def cost_tables(*, max_nodes: int = 6, max_devices: int = 4) -> st.SearchStrategy[CostTable]:
    """Any valid table of this size; shrinks towards few nodes, devices and features."""
    return st.randoms(use_true_random=False).map(
        lambda random: random_table(random, max_nodes=max_nodes, max_devices=max_devices)
    )


def seeded_table(
    seed: int, *, min_nodes: int = 1, max_nodes: int = 6, max_devices: int = 4
) -> CostTable:
    """The same table for the same seed; faster than `cost_tables`, but does not shrink."""
    random = Random(seed)  # noqa: S311
    return random_table(random, min_nodes=min_nodes, max_nodes=max_nodes, max_devices=max_devices)


def random_table(
    random: Random, *, min_nodes: int = 1, max_nodes: int = 6, max_devices: int = 4
) -> CostTable:
    """Up to 3 memories; branches, joins, residuals and values with many readers; ties and zeros;
    missing links; bound inputs and outputs; stages that cost something to start; energies; and
    memories that may be too small."""
    memories = ["host", "m1", "m2"][: random.randint(1, 3)]
    whole = random.random() < 0.5  # whole numbers make many ties

    def cost() -> float:
        return float(random.randint(0, 4)) if whole else round(random.uniform(0, 4), 6)

    stages = random.random() < 0.3
    devices = tuple(
        Device(f"d{i}", random.choice(memories), stage_s=cost() if stages else 0.0)
        for i in range(random.randint(1, max_devices))
    )
    routes = [route for route in permutations(memories, 2) if random.random() < 0.9]
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
            held_bytes=held,
        )
        nodes.append(node)
        values += writes
    outputs = tuple(
        Endpoint(name, random.choice(memories)) for name in values if random.random() < 0.15
    )
    limit = 4 * len(nodes) if random.random() < 0.2 else None
    rooms = [None if limit is None else random.randint(0, limit) for _ in memories]
    return CostTable(
        "random",
        Machine(tuple(map(Memory, memories, rooms)), devices, links),
        tuple(
            ValueCosts(
                name,
                random.randint(0, 4),
                {route: cost() for route in own},
                {route: cost() for route in routes},
            )
            for name in values
        ),
        tuple(nodes),
        inputs,
        outputs,
    )
