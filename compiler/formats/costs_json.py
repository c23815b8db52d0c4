"""Cost tables as files: `stagecut.costs/1`, JSON with one line for each value and node.

Floats are written by their shortest repr and read exactly, so that a table comes back bit for
bit. docs/costs.md describes the format, compiler/formats/costs_schema.py is its schema.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TypeAlias, TypeVar

from msgspec import Struct
from msgspec.structs import astuple

from stagecut.compiler.formats.columns import Columns
from stagecut.compiler.formats.costs_schema import (
    HostDocument,
    Parsed,
    TableDocument,
    parse,
)
from stagecut.compiler.formats.whole_file import read_whole
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
from stagecut.compiler.ir.in_bulk import in_bulk
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


def read_costs(source: Path | str | bytes) -> CostTable:
    """The table in a file (a Path) or in a text; raises CostTableError.

    Nodes may stand in any order; they are sorted topologically, and stay put where they can.
    """
    with resting_collector():
        return table_of(_load(source) if isinstance(source, Path) else parse(source))


def table_of(parsed: Parsed) -> CostTable:
    """Raises CostTableError as `read_costs` does; `parsed` is gone through."""
    document = parsed.table
    machine = _machine(document)
    names = [memory.name for memory in machine.memories]
    between = (Route(start, end) for start in names for end in names if start != end)
    routes = {str(route): route for route in between}
    return CostTable(
        name=document["name"],
        machine=machine,
        values=tuple(_values(parsed.values, routes)),
        nodes=tuple(_nodes(parsed.nodes)),
        inputs=tuple(Endpoint(**end) for end in document.get("inputs", ())),
        outputs=tuple(Endpoint(**end) for end in document.get("outputs", ())),
        budgets=tuple(Budget(**budget) for budget in document.get("budgets", ())),
    )


def write_costs(table: CostTable) -> str:
    """The table as text; the same table always gives the same text."""
    return "{\n" + ",\n".join(_sections(table)) + "\n}\n"


def _load(path: Path) -> Parsed:
    try:
        return parse(read_whole(path))
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


def _values(documents: Iterable[Columns], routes: Mapping[str, Route]) -> Iterator[ValueCosts]:
    def by_route(costs: Mapping[str, T]) -> Mapping[Route, T]:
        return {routes[key]: cost for key, cost in costs.items()} if costs else NOTHING

    first = 0
    for some in documents:
        try:
            yield from in_bulk(
                ValueCosts,
                len(some),
                name=some("name"),
                size_bytes=some("size_bytes"),
                transfer_s=some("move_s", NOTHING, by_route),
                transfer_j=some("move_j", NOTHING, by_route),
                transfer_spread=some(
                    "move_spread", NOTHING, lambda spreads: by_route(_spreads(spreads))
                ),
            )
        except KeyError:
            raise _not_a_route(some, first, routes) from None
        first += len(some)


def _spreads(spreads: Mapping[str, Struct]) -> Mapping[str, Spread]:
    return {key: Spread(*astuple(each)) for key, each in spreads.items()} if spreads else NOTHING


def _not_a_route(some: Columns, first: int, routes: Mapping[str, Route]) -> CostTableError:
    """Of the first value that has a key which is no route; they are numbered from `first` on."""
    columns = {name: [*some(name, NOTHING)] for name in ("move_s", "move_j", "move_spread")}
    path = next(
        f"values[{first + index}].{name}.{key}"
        for index in range(len(some))
        for name, costs in columns.items()
        for key in costs[index]
        if key not in routes
    )
    return CostTableError(
        "not a route between two of the memories",
        where=path,
        fix=f"the routes are {', '.join(routes) or 'none, as there is one memory only'}",
    )


def _nodes(documents: Iterable[Columns]) -> Iterator[NodeCosts]:
    for some in documents:
        yield from in_bulk(
            NodeCosts,
            len(some),
            name=some("name"),
            op=some("op", None, sys.intern),
            run_s=some("run_s"),
            inputs=some("inputs", ()),
            outputs=some("outputs", ()),
            weight_bytes=some("weight_bytes", 0),
            run_j=some("run_j", NOTHING),
            run_spread=some("run_spread", NOTHING, _spreads),
            resident_bytes=some("held_bytes", NOTHING),
            uses=some("uses", NOTHING),
        )


def _sections(table: CostTable) -> Iterator[str]:
    """One line for each key of the table; lists of records take a line for each record."""
    yield f'"schema": {_line(SCHEMA)}'
    yield f'"name": {_line(table.name)}'
    machine = table.machine
    if machine.hosts != (Host(),):
        yield _records("hosts", map(_host_record, machine.hosts))
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


def _host_record(host: Host) -> dict[str, Json]:
    return asdict(host) | {
        "handling_s": _unless(0.0, host.handling_s),
        "loaded_factor": _unless(1.0, host.loaded_factor),
    }


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
