"""Tables for streams, and the slow obvious answer: every pipeline with every number of replicas."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from math import inf
from random import Random

from stagecut.compiler.ir.costs import Budget, CostTable, Endpoint, NodeCosts, ValueCosts
from stagecut.compiler.ir.errors import AssignmentError, ScheduleError
from stagecut.compiler.ir.machine import Device, Machine, Memory, Resource, Route
from stagecut.compiler.ir.schedule import Stage
from stagecut.compiler.ir.stream import StreamAccount, StreamSchedule, stream_account, stream_of
from stagecut.compiler.ir.stream_certificate import Limit
from tests.support.tables import cost_table

MS = 1e-3


def stream_table(nodes: str, *devices: Device, **units: int) -> CostTable:
    """`cost_table` with these devices, and so many units of each resource."""
    table = cost_table(nodes, devices={device.name: device.memory for device in devices})
    resources = tuple(Resource(name, count) for name, count in units.items())
    machine = replace(table.machine, devices=devices, resources=resources)
    return replace(table, machine=machine)


def random_stream_table(seed: int) -> CostTable:
    """Up to four nodes; two kinds of cores, batches, and in every third one a far memory."""
    random = Random(seed)  # noqa: S311
    devices = [
        Device("one", "host", resource="cores", stage_s=random.choice([0, 0, 1])),
        Device("two", "host", resource="cores", cores=2, stage_s=random.choice([0, 1])),
    ]
    if random.random() < 0.4:
        devices.append(Device("batched", "host", resource="cores", batch=3, stage_s=1))
    if len(devices) < 3 and random.random() < 0.5:
        devices.append(Device("little", "host", resource="little"))
    if len(devices) < 3 and random.random() < 0.6:
        devices.append(Device("pim", "pim", resource="pim"))
    count = random.randint(1, 4)
    names = [f"n{index}" for index in range(count)]
    nodes = []
    for index, name in enumerate(names):
        reads = tuple(other for other in names[:index] if random.random() < 0.45)
        able = [each for each in devices if random.random() < 0.8] or devices[:1]
        run_s = {
            each.name: float(random.randint(0, 9)) * (2 if each.batch > 1 else 1) for each in able
        }
        inputs = (*reads, "x") if not reads or random.random() < 0.2 else reads
        nodes.append(NodeCosts(name, "Op", run_s, inputs, (name,)))
    routes = [Route("host", "pim"), Route("pim", "host")]
    values = tuple(
        ValueCosts(name, 8, {route: float(random.randint(0, 2)) for route in routes})
        for name in ("x", *names)
    )
    resources = (Resource("cores", random.randint(1, 3)), Resource("little", random.randint(1, 2)))
    return CostTable(
        "random",
        Machine((Memory("host"), Memory("pim")), tuple(devices), resources=resources),
        values,
        tuple(nodes),
        (Endpoint("x", "host"),),
        (Endpoint(names[-1], "host"),),
    )


def heavy(
    table: CostTable, *, weight_bytes: int, size_bytes: int, capacity_bytes: int | None = None
) -> CostTable:
    """Every node and every value weighs so much; the host's memory has room for so many weights."""
    host, *others = table.machine.memories
    machine = replace(
        table.machine, memories=(replace(host, capacity_bytes=capacity_bytes), *others)
    )
    nodes = (replace(each, weight_bytes=weight_bytes) for each in table.nodes)
    values = (replace(each, size_bytes=size_bytes) for each in table.values)
    return replace(table, machine=machine, nodes=tuple(nodes), values=tuple(values))


def random_heavy_table(seed: int) -> CostTable:
    """`random_stream_table` with weights and sizes, and often memories that may be too small."""
    random = Random(-1 - seed)  # noqa: S311
    table = random_stream_table(seed)
    machine = table.machine
    if random.random() < 0.3:
        host, pim = random.choice([60, 120, 150]), random.choice([None, 50])
        machine = replace(machine, memories=(Memory("host", host), Memory("pim", pim)))
    nodes = (replace(each, weight_bytes=random.choice([0, 10, 30, 100])) for each in table.nodes)
    values = (replace(each, size_bytes=random.choice([0, 1, 5, 20])) for each in table.values)
    return replace(table, machine=machine, nodes=tuple(nodes), values=tuple(values))


def random_frugal_table(seed: int) -> CostTable:
    """`random_stream_table` with energies, and with a budget of which nodes use something."""
    random = Random(-1 - seed)  # noqa: S311
    table = random_stream_table(seed)
    nodes = [
        replace(
            node,
            run_j={name: float(random.randint(0, 9)) for name in node.run_s},
            uses={"wear": {name: float(random.randint(0, 2)) for name in node.run_s}},
        )
        for node in table.nodes
    ]
    values = (
        replace(value, transfer_j={route: random.random() for route in value.transfer_s})
        for value in table.values
    )
    budgets = (Budget("wear", float(random.choice([1, 3, 100]))),)
    return replace(table, nodes=tuple(nodes), values=tuple(values), budgets=budgets)


def every_stream(table: CostTable) -> Iterator[StreamSchedule]:
    """Every pipeline of contiguous stages, on every device, with every number of replicas for which
    there are units."""
    units = table.machine.units_of
    for sets in _partitions(table, frozenset()):
        able = [
            [
                device
                for device in table.machine.devices
                if all(device.name in table.node_named[node].run_s for node in nodes)
            ]
            for nodes in sets
        ]
        for devices in product(*able):
            stages = [
                Stage(device.name, nodes) for device, nodes in zip(devices, sets, strict=True)
            ]
            most = [units[device.keeps_busy] // device.cores for device in devices]
            for replicas in product(*(range(1, count + 1) for count in most)):
                used: Counter[str] = Counter()
                for device, count in zip(devices, replicas, strict=True):
                    used[device.keeps_busy] += device.cores * count
                if all(count <= units[name] for name, count in used.items()):
                    yield stream_of(table, stages, replicas)


def _partitions(table: CostTable, done: frozenset[str]) -> Iterator[tuple[tuple[str, ...], ...]]:
    """Every way to go on from there, as stages one after the other."""
    if len(done) == len(table.nodes):
        yield ()
        return
    for ideal in _ideals(table):
        if done < ideal:
            stage = tuple(node.name for node in table.nodes if node.name in ideal - done)
            for rest in _partitions(table, ideal):
                yield (stage, *rest)


def _ideals(table: CostTable) -> list[frozenset[str]]:
    found = []
    for chosen in product([False, True], repeat=len(table.nodes)):
        names = {node.name for node, take in zip(table.nodes, chosen, strict=True) if take}
        needs = {
            table.producer[value]
            for name in names
            for value in table.node_named[name].inputs
            if value in table.producer
        }
        if needs <= names:
            found.append(frozenset(names))
    return found


def every_account(table: CostTable) -> list[StreamAccount]:
    """Of every stream that fits the machine and its memories."""
    found = []
    for stream in every_stream(table):
        try:
            found.append(stream_account(table, stream))
        except (ScheduleError, AssignmentError):  # more bytes than there is room for, no link
            continue
    return found


def least_period(accounts: Sequence[StreamAccount], limits: Sequence[Limit] = ()) -> float:
    """Of the streams within the limits; infinite where there is none."""
    within = (
        each.period_s
        for each in accounts
        if all(limit.allows(each.taken(limit.name)) for limit in limits)
    )
    return min(within, default=inf)


def random_energy_limit(accounts: Sequence[StreamAccount], seed: int) -> Limit:
    """What some stream takes, or a little less."""
    random = Random(seed)  # noqa: S311
    energies_j = [each.energy_j for each in accounts if each.energy_j is not None]
    return Limit("energy", random.choice(energies_j) * random.choice([1.0, 1.0, 0.99]))


def random_limits(accounts: Sequence[StreamAccount], seed: int) -> tuple[Limit, Limit]:
    """Of latency and of memory: what some stream takes, or a little more or less."""
    random = Random(seed)  # noqa: S311
    latency_s = random.choice(accounts).latency_s
    memory_bytes = random.choice(accounts).memory_bytes
    part = random.choice([1.0, 1.0, 0.99, 1.01])
    return Limit("latency", latency_s * part), Limit("memory", int(memory_bytes * part))
