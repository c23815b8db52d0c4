"""Cost tables as files: `stagecut.costs/1`, JSON with one line for each value and node.

Floats are written by their shortest repr and read exactly, so that a table comes back bit for
bit. docs/costs.md describes the format, compiler/formats/costs_schema.py is its schema.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TypeAlias, TypeVar

from stagecut.compiler.formats.costs_schema import (
    HostDocument,
    NodeDocument,
    TableDocument,
    ValueDocument,
    parse,
)
from stagecut.compiler.ir.collector import resting_collector
from stagecut.compiler.ir.costs import (
    NOTHING,
    Budget,
    CostTable,
    Endpoint,
    NodeCosts,
    Spread,
    ValueCosts,
)
from stagecut.compiler.ir.errors import CostTableError, DeviceError
from stagecut.compiler.ir.machine import (
    LOCAL,
    Device,
    Host,
    Link,
    Machine,
    Memory,
    Resource,
    Route,
)

T = TypeVar("T")

Json: TypeAlias = "str | int | float | Mapping[str, Json] | Iterable[Json] | None"

SCHEMA = "stagecut.costs/1"

#: The keys of a value whose transfers are left to the machine's links.
_PLAIN_VALUE = ("name", "size_bytes")


def read_costs(source: Path | str) -> CostTable:
    """The table in a file (a Path) or in a text (a str); raises CostTableError.

    Nodes may stand in any order; they are sorted topologically, and stay put where they can.
    """
    with resting_collector():
        return _table(_load(source) if isinstance(source, Path) else parse(source))


def _table(document: TableDocument) -> CostTable:
    machine = _machine(document)
    names = [memory.name for memory in machine.memories]
    between = (Route(start, end) for start in names for end in names if start != end)
    routes = {str(route): route for route in between}
    values = tuple(_values(document["values"], routes))
    shared = {value.name: value.name for value in values}
    return CostTable(
        name=document["name"],
        machine=machine,
        values=values,
        nodes=tuple(_node(each, shared) for each in _let_go(document["nodes"])),
        inputs=tuple(Endpoint(**end) for end in document.get("inputs", ())),
        outputs=tuple(Endpoint(**end) for end in document.get("outputs", ())),
        budgets=tuple(Budget(**budget) for budget in document.get("budgets", ())),
    )


def _let_go(documents: list[T]) -> Iterator[T]:
    """Each in its turn, and none is kept: there may be millions."""
    documents.reverse()
    while documents:
        yield documents.pop()


def write_costs(table: CostTable) -> str:
    """The table as text; the same table always gives the same text."""
    return "{\n" + ",\n".join(_sections(table)) + "\n}\n"


def _load(path: Path) -> TableDocument:
    try:
        return parse(path.read_bytes())
    except CostTableError as error:
        raise CostTableError(error.problem, where=error.where or str(path), fix=error.fix) from None
    except OSError as error:
        raise CostTableError(
            f"cannot be read: {error.strerror}",
            where=str(path),
            fix="give the path of a cost table, such as `stagecut profile` writes",
        ) from None


def _machine(document: TableDocument) -> Machine:
    local: list[HostDocument] = [{"name": LOCAL}]
    try:
        return Machine(
            tuple(Memory(**memory) for memory in document["memories"]),
            tuple(Device(**device) for device in document["devices"]),
            tuple(Link(**link) for link in document.get("links", ())),
            tuple(Host(**host) for host in document.get("hosts", local)),
            tuple(Resource(**resource) for resource in document.get("resources", ())),
        )
    except DeviceError as error:
        raise CostTableError(error.problem, where=error.where, fix=error.fix) from None


def _values(documents: list[ValueDocument], routes: Mapping[str, Route]) -> Iterator[ValueCosts]:
    for index, document in enumerate(_let_go(documents)):
        if len(document) == len(_PLAIN_VALUE):
            yield ValueCosts(document["name"], document["size_bytes"], NOTHING, NOTHING, NOTHING)
            continue
        try:
            yield ValueCosts(
                document["name"],
                document["size_bytes"],
                {routes[key]: cost for key, cost in document.get("move_s", NOTHING).items()},
                {routes[key]: cost for key, cost in document.get("move_j", NOTHING).items()},
                {
                    routes[key]: Spread(**spread)
                    for key, spread in document.get("move_spread", NOTHING).items()
                },
            )
        except KeyError:
            raise _not_a_route(document, f"values[{index}]", routes) from None


def _not_a_route(
    document: ValueDocument, where: str, routes: Mapping[str, Route]
) -> CostTableError:
    keyed = ((name, costs) for name, costs in document.items() if isinstance(costs, dict))
    path = next(f"{name}.{key}" for name, costs in keyed for key in costs if key not in routes)
    return CostTableError(
        "not a route between two of the memories",
        where=f"{where}.{path}",
        fix=f"the routes are {', '.join(routes) or 'none, as there is one memory only'}",
    )


def _node(document: NodeDocument, shared: dict[str, str]) -> NodeCosts:
    """`shared` holds each name once."""
    inputs, outputs = document.get("inputs", ()), document.get("outputs", ())
    spread = document.get("run_spread", NOTHING)
    return NodeCosts(
        document["name"],
        document["op"],
        document["run_s"],
        tuple(map(shared.setdefault, inputs, inputs)),
        tuple(map(shared.setdefault, outputs, outputs)),
        document.get("weight_bytes", 0),
        document.get("run_j", NOTHING),
        {device: Spread(**each) for device, each in spread.items()} if spread else NOTHING,
        document.get("held_bytes", NOTHING),
        document.get("uses", NOTHING),
    )


def _sections(table: CostTable) -> Iterator[str]:
    """One line for each key of the table; lists of records take a line for each record."""
    yield f'"schema": {_line(SCHEMA)}'
    yield f'"name": {_line(table.name)}'
    machine = table.machine
    if machine.hosts != (Host(),):
        yield _records("hosts", map(asdict, machine.hosts))
    if machine.resources:
        yield _records("resources", map(_resource_record, machine.resources))
    memories = [_memory_record(memory) for memory in machine.memories]
    if any(len(_without_empty(memory)) > 1 for memory in memories):
        yield _records("memories", memories)
    else:
        yield f'"memories": {_line([memory.name for memory in machine.memories])}'
    yield _records("devices", map(_device_record, machine.devices))
    for key, records in (
        ("links", map(_link_record, machine.links)),
        ("inputs", map(asdict, table.inputs)),
        ("outputs", map(asdict, table.outputs)),
        ("budgets", map(asdict, table.budgets)),
    ):
        listed = list(records)
        if listed:
            yield _records(key, listed)
    yield _records("values", map(_value_record, table.values))
    yield _records("nodes", map(_node_record, table.nodes))


def _records(key: str, records: Iterable[Mapping[str, Json]]) -> str:
    lines = ",\n".join(f"  {_line(_without_empty(record))}" for record in records)
    return f'"{key}": [\n{lines}\n]' if lines else f'"{key}": []'


def _resource_record(resource: Resource) -> dict[str, Json]:
    return asdict(resource) | {"host": _unless(LOCAL, resource.host)}


def _memory_record(memory: Memory) -> dict[str, Json]:
    return asdict(memory) | {"host": _unless(LOCAL, memory.host)}


def _device_record(device: Device) -> dict[str, Json]:
    return asdict(device) | {
        "cores": _unless(1, device.cores),
        "batch": _unless(1, device.batch),
    }


def _link_record(link: Link) -> dict[str, Json]:
    latency_s = None if link.bytes_per_s is None else link.latency_s
    return asdict(link) | {"latency_s": latency_s, "basis": _unless("measured", link.basis)}


def _unless(default: T, entry: T) -> T | None:
    """None, which is not written, where the entry is what a reader assumes without it."""
    return None if entry == default else entry


def _value_record(value: ValueCosts) -> dict[str, Json]:
    spreads = _keyed(value.transfer_spread)
    return {
        "name": value.name,
        "size_bytes": value.size_bytes,
        "move_s": _keyed(value.transfer_s),
        "move_j": _keyed(value.transfer_j),
        "move_spread": {key: asdict(spread) for key, spread in spreads.items()},
    }


def _keyed(costs: Mapping[Route, T]) -> dict[str, T]:
    return {str(route): cost for route, cost in costs.items()}


def _node_record(node: NodeCosts) -> dict[str, Json]:
    return {
        "name": node.name,
        "op": node.op,
        "run_s": node.run_s,
        "inputs": node.inputs,
        "outputs": node.outputs,
        "weight_bytes": node.weight_bytes or None,
        "held_bytes": node.resident_bytes,
        "run_j": node.run_j,
        "run_spread": {device: asdict(spread) for device, spread in node.run_spread.items()},
        "uses": node.uses,
    }


#: Keys that are written even when they are empty.
_REQUIRED = {"name", "op", "run_s", "size_bytes"}


def _without_empty(record: Mapping[str, Json]) -> dict[str, Json]:
    return {
        key: entry
        for key, entry in record.items()
        if key in _REQUIRED or not (entry is None or entry in ("", (), {}))
    }


def _line(entry: Json) -> str:
    return json.dumps(entry, ensure_ascii=False, allow_nan=False)
