"""Cost tables of several hosts."""

from dataclasses import replace

from hypothesis import strategies as st

from stagecut.compiler.ir.costs import CostTable, Endpoint, NodeCosts, ValueCosts
from stagecut.compiler.ir.machine import Device, Host, Link, Machine, Memory, Resource

NAMES = ("local", "b", "c")


def on(host: str, name: str) -> str:
    return name if host == "local" else f"{host}.{name}"


def machine(
    hosts: int = 3,
    *,
    capacity_bytes: int | None = None,
    handling_s: float = 0.0,
    cpus: int = 2,
    bytes_per_s: float = 1e8,
    loaded_factor: float = 1.0,
) -> Machine:
    """Of hosts that have one kind of device, which takes one CPU."""
    names = NAMES[:hosts]
    memory = {name: "host" if name == "local" else name for name in names}
    return Machine(
        tuple(Memory(memory[name], capacity_bytes, name) for name in names),
        tuple(Device(on(name, "cpu"), memory[name], resource=on(name, "cores")) for name in names),
        tuple(
            Link(memory[one], memory[other], 1e-4, bytes_per_s)
            for one in names
            for other in names
            if one != other
        ),
        tuple(
            Host(name, f"at {name}", handling_s if name != "local" else 0.0, loaded_factor)
            for name in names
        ),
        tuple(Resource(on(name, "cores"), cpus, name) for name in names),
    )


def chain(of: Machine, *run_s: float, weight_bytes: int = 10, size_bytes: int = 1000) -> CostTable:
    """Nodes a, b, c ... one after the other, which take as long everywhere."""
    names = "abcdefgh"[: len(run_s)]
    values = ["x", *(f"{name}'" for name in names)]
    return CostTable(
        "chain",
        of,
        tuple(ValueCosts(value, size_bytes) for value in values),
        tuple(
            NodeCosts(
                name,
                "Op",
                {device.name: each for device in of.devices},
                (values[at],),
                (values[at + 1],),
                weight_bytes,
            )
            for at, (name, each) in enumerate(zip(names, run_s, strict=True))
        ),
        (Endpoint("x", "host"),),
        (Endpoint(values[-1], "host"),),
    )


def with_parallel(table: CostTable, *run_s: float) -> CostTable:
    """Each host has a second device, `par`, which takes all of its CPUs, and so long for each
    node."""
    of = table.machine
    more = tuple(
        Device(
            device.name.replace("cpu", "par"),
            device.memory,
            resource=device.resource,
            cores=of.units_of[device.keeps_busy],
        )
        for device in of.devices
    )
    nodes = tuple(
        replace(node, run_s={**node.run_s, **{device.name: each for device in more}})
        for node, each in zip(table.nodes, run_s, strict=True)
    )
    return replace(table, machine=replace(of, devices=(*of.devices, *more)), nodes=nodes)


def with_a_memory_more(table: CostTable) -> CostTable:
    """The driver's host has a device in a memory of its own, which takes 1 ms for each node."""
    of = table.machine
    devices = (*of.devices, Device("pim", "pim"))
    nodes = (replace(node, run_s={**node.run_s, "pim": 1e-3}) for node in table.nodes)
    more = replace(of, memories=(*of.memories, Memory("pim")), devices=devices)
    return replace(table, machine=more, nodes=tuple(nodes))


@st.composite
def tables(draw: st.DrawFn, hosts: int = 3) -> CostTable:
    """Of two hosts or more, of which some have no room for everything, some are slower, and some
    slow each other down."""
    of = machine(
        draw(st.integers(2, hosts)),
        capacity_bytes=draw(st.sampled_from([None, 10, 20, 30])),
        handling_s=draw(st.sampled_from([0.0, 1e-4, 2e-3])),
        cpus=draw(st.integers(1, 2)),
        bytes_per_s=draw(st.sampled_from([1e5, 1e7])),
        loaded_factor=draw(st.sampled_from([1.0, 1.0, 1.25, 3.0])),
    )
    values = ["x", "y"]
    nodes = []
    for at in range(draw(st.integers(1, 4))):
        read = draw(st.lists(st.sampled_from(values[:-1] if at else ["x"]), max_size=2))
        slow = draw(st.sampled_from([1.0, 1.5]))
        run_s = draw(st.integers(1, 20)) * 1e-3
        times = {each.name: run_s * (slow if "." in each.name else 1) for each in of.devices}
        reads = tuple(dict.fromkeys([*read, values[-2]]))
        nodes.append(NodeCosts(f"n{at}", "Op", times, reads, (f"v{at}",), 10))
        values.insert(-1, f"v{at}")
    last = nodes[-1].outputs[0]
    return CostTable(
        "drawn",
        of,
        tuple(ValueCosts(each, 1000 * (1 + at)) for at, each in enumerate(values[:-1])),
        tuple(nodes),
        (Endpoint("x", "host"),),
        (Endpoint(last, "host"),),
    )
